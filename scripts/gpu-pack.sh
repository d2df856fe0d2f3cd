#!/usr/bin/env bash
# Packs what gpu-check.sh needs on a machine with a GPU that has PyTorch, but neither Rust nor a network: the program, the test
# binaries and their fixtures, the benchmarks of peers, shapes, and the demo's model and sentences.
#
#   scripts/gpu-pack.sh FOLDER     builds, and writes FOLDER/gpu-check.sh and an archive of each part beside it
#
# Copy FOLDER to the machine and run FOLDER/gpu-check.sh there. It is below 64 MiB: more is refused. The demo's weights are rounded
# to fp16, which halves them. A program that loads them in fp32 converts them back, but scores of the demo there differ in their
# last digits from those of a run here.
#
# Variables:
#   CARGO_TARGET_DIR, LIBTORCH   as for cargo
#   DEMO                         folder with minilm/ and sentences.jsonl (the cache's demo, which `make setup` downloads)
#   PYTHON                       a Python 3.9 or later (python3)
set -euo pipefail

root=$(cd "$(dirname "$0")/.." && pwd)
DEMO=${DEMO:-${XDG_CACHE_HOME:-$HOME/.cache}/finesift/demo}
PYTHON=${PYTHON:-python3}
# What is easily copied, and a limit of some services.
LIMIT=$((64 << 20))
# Parity with the demo's models needs their weights in fp32, which are not packed.
LEFT_OUT="minilm smollm2"

main() {
    case ${1:-} in
        -h | --help)
            sed -n '2,/^set /{/^set /d;s/^# \{0,1\}//;p}' "$0"
            exit 0
            ;;
    esac
    if [ $# != 1 ] || [[ $1 == -* ]]; then
        echo "usage: scripts/gpu-pack.sh FOLDER (see --help)" >&2
        exit 2
    fi
    if [ ! -f "$DEMO/minilm/model.safetensors" ]; then
        echo "no demo: $DEMO is not there; \`make setup\` downloads it" >&2
        exit 1
    fi
    mkdir -p "$1"
    folder=$(cd "$1" && pwd)
    work=$(mktemp -d)
    trap 'rm -rf "$work"' EXIT
    stage=$work/stage
    mkdir "$stage" "$work/packed"
    binaries
    fixtures
    benchmarks
    demo
    say "compressing"
    printf '  %-10s %10s %10s\n' part files packed
    pack program finesift
    pack tests finesift-it finesift-lib
    pack fixtures fixtures
    pack benches benches gpu_report.py
    pack demo demo
    finish
}

say() {
    printf '%s\n' "$*"
}

# The program and the test binaries, stripped. The tests are of the profile dev, which checks arithmetic and compiles in a third of
# the time of a release build; their operations are libtorch's and as fast as in a release build.
binaries() {
    local target=${CARGO_TARGET_DIR:-$root/target} found
    cd "$root"
    say "building the program"
    cargo build --release --locked
    say "building the tests"
    found=$(cargo test --locked --no-run --lib --test it --message-format=json | "$PYTHON" -c '
import json, sys
for line in sys.stdin:
    message = json.loads(line)
    if message.get("executable") and message.get("profile", {}).get("test"):
        print(message["target"]["kind"][0], message["executable"])')
    say "stripping"
    strip -o "$stage/finesift" "$target/release/finesift"
    strip -o "$stage/finesift-it" "$(sed -n 's/^test //p' <<< "$found")"
    strip -o "$stage/finesift-lib" "$(sed -n 's/^lib //p' <<< "$found")"
}

fixtures() {
    local model
    say "copying fixtures, scripts and shapes"
    mkdir -p "$stage/fixtures/models"
    for model in "$root"/tests/fixtures/models/*; do
        [[ " $LEFT_OUT " == *" ${model##*/} "* ]] || cp -r "$model" "$stage/fixtures/models/"
    done
}

benchmarks() {
    mkdir -p "$stage/benches/peers"
    cp "$root/benches/peers/gpu_peers.py" "$stage/benches/peers/"
    cp -r "$root/benches/shapes" "$stage/benches/"
    cp "$root/scripts/gpu_report.py" "$stage/"
}

demo() {
    say "rounding the demo's weights to fp16"
    mkdir -p "$stage/demo/minilm"
    cp "$DEMO"/minilm/*.json "$stage/demo/minilm/"
    cp "$DEMO/sentences.jsonl" "$stage/demo/"
    "$PYTHON" "$root/scripts/half_precision.py" "$DEMO/minilm/model.safetensors" "$stage/demo/minilm/model.safetensors"
}

# pack PART FILE…: an archive of a part.
pack() {
    local part=$1 archive=$work/packed/finesift-gpu-$1.tar.xz
    shift
    # Weights are numbers of two or four bytes: with their alignment known they take a twentieth less.
    tar -c -C "$stage" "$@" | xz --lzma2=preset=9,lp=1,pb=1 > "$archive"
    printf '  %-10s %10s %10s\n' "$part" "$(cd "$stage" && du -sbc "$@" | tail -n 1 | cut -f1 | mib)" "$(stat -c %s "$archive" | mib)"
}

finish() {
    local total
    cp "$root/scripts/gpu-check.sh" "$work/packed/"
    total=$(cat "$work"/packed/* | wc -c)
    if [ "$total" -ge "$LIMIT" ]; then
        echo "$(mib <<< "$total") in all, and less than $(mib <<< "$LIMIT") is allowed: nothing was written" >&2
        exit 1
    fi
    rm -f "$folder"/finesift-gpu-*.tar.xz
    mv "$work"/packed/* "$folder/"
    say "$folder: $(mib <<< "$total") in all; copy it and run gpu-check.sh there"
}

mib() {
    awk '{ printf "%.1f MiB", $1 / 1048576 }'
}

main "$@"
