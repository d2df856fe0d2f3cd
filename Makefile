# Thin lines over cargo and scripts/setup.py. One target folder; nothing here is needed to use cargo directly afterwards.
.DEFAULT_GOAL := help
.PHONY: help setup build demo demo-chat lint test pictures interop bench bench-peers clean

help: ## list these
	@sed -n 's/^\([a-z-]*\):.*## /\1\t/p' $(MAKEFILE_LIST) | expand -t 12

setup: ## fetch libtorch and the demo's model into the cache (once; CUDA=0 without, CUDA=1 with the GPU libraries)
	@python3 scripts/setup.py

build: setup ## build the program: target/release/finesift
	cargo build --release --locked

demo: setup ## fine-tune a small model on this machine, watching it
	cargo run --release --locked -- train demo

demo-chat: ## teach a small chat model to answer as in Alpaca, watching it (fetches 98 MB more, once)
	@python3 scripts/setup.py libtorch demo-chat
	cargo run --release --locked -- train demo-chat

lint: setup ## formatting and clippy, with and without torch
	cargo fmt --check
	cargo clippy --locked --all-targets --no-default-features -- -D warnings
	cargo clippy --locked --all-targets -- -D warnings

test: lint ## lint, then all tests, with and without torch
	cargo test --locked --no-default-features
	cargo test --locked

pictures: setup ## take the pictures of the README again, of the real program
	cargo test --locked --test it pictures -- --ignored

interop: setup ## check exports against transformers and PEFT, in a Python environment of their own (4 GB, once)
	cargo build --locked
	python3 -m venv target/interop
	target/interop/bin/pip install --quiet --requirement tests/interop/requirements.txt
	target/interop/bin/python tests/interop/check.py target/debug/finesift

bench: setup ## measure
	cargo bench --locked

bench-peers: ## steps beside PyTorch's and PEFT's, in a Python environment of their own (4 GB, once); PEER_BATCHES=FILE for other batches
	@python3 scripts/setup.py libtorch demo demo-chat
	cargo build --release --locked
	python3 -m venv target/peers
	target/peers/bin/pip install --quiet --requirement benches/peers/requirements.txt
	target/peers/bin/python benches/peers/bench_peers.py oracle
	target/peers/bin/python benches/peers/bench_peers.py all

clean: ## remove what cargo built; the cache and the runs stay
	cargo clean
