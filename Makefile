# Shortcuts for cargo and scripts/setup.py. After `make setup`, plain cargo commands work as well.
.DEFAULT_GOAL := help
.PHONY: help setup build demo demo-chat wheel lint test pictures interop bench bench-peers clean

help: ## list the targets
	@sed -n 's/^\([a-z-]*\):.*## /\1\t/p' $(MAKEFILE_LIST) | expand -t 12

setup: ## download libtorch and the demo's model into the cache, once (CUDA=1 with the GPU libraries, CUDA=0 without)
	@python3 scripts/setup.py

build: setup ## build the program: target/release/finesift
	cargo build --release --locked

demo: setup ## fine-tune a small text classifier
	cargo run --release --locked -- train demo

demo-chat: ## fine-tune a small chat model on Alpaca (downloads 98 MB, once)
	@python3 scripts/setup.py libtorch demo-chat
	cargo run --release --locked -- train demo-chat

wheel: setup ## build a Python wheel: target/wheels/finesift-*.whl
	python3 -m venv target/maturin
	target/maturin/bin/pip install --quiet maturin==1.16.0
	target/maturin/bin/maturin build --release --locked --out target/wheels

lint: setup ## check formatting and run clippy, with and without torch
	cargo fmt --check
	cargo clippy --locked --all-targets --no-default-features -- -D warnings
	cargo clippy --locked --all-targets -- -D warnings

test: lint ## run lint, then all tests with and without torch
	cargo test --locked --no-default-features
	cargo test --locked

pictures: setup ## record the pictures of README and guide from the program
	cargo test --locked --test it pictures -- --ignored

interop: setup ## check exports, data and launchers against transformers, PEFT, pandas, pyarrow, datasets, torchrun and Open MPI (downloads 4 GB of Python packages, once)
	cargo build --locked
	python3 -m venv target/interop
	target/interop/bin/pip install --quiet --requirement tests/interop/requirements.txt
	target/interop/bin/python tests/interop/labels.py --check
	target/interop/bin/python tests/interop/vocabulary.py --check
	target/interop/bin/python tests/interop/splits.py --check
	target/interop/bin/python tests/interop/selection.py --check
	target/interop/bin/python tests/interop/bootstrap.py --check
	target/interop/bin/python tests/interop/pac_bayes.py --check
	target/interop/bin/python tests/interop/tables.py --check
	target/interop/bin/python tests/interop/chat.py --check
	target/interop/bin/python tests/interop/methods.py --check
	target/interop/bin/python tests/interop/methods.py target/debug/finesift
	target/interop/bin/python tests/interop/launchers.py target/debug/finesift
	target/interop/bin/python tests/interop/check.py target/debug/finesift

bench: setup ## run the benchmarks
	cargo bench --locked

bench-peers: ## compare steps with PyTorch and PEFT (downloads 4 GB of Python packages, once; PEER_BATCHES=FILE for other batches)
	@python3 scripts/setup.py libtorch demo demo-chat
	cargo build --release --locked
	python3 -m venv target/peers
	target/peers/bin/pip install --quiet --requirement benches/peers/requirements.txt
	target/peers/bin/python benches/peers/bench_peers.py oracle
	target/peers/bin/python benches/peers/bench_peers.py all

clean: ## remove build artifacts; keeps the cache and the runs
	cargo clean
