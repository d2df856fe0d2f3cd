#!/usr/bin/env bash
# Checks finesift on a machine with an NVIDIA GPU, and measures it: doctor, the tests on the GPU, whole runs of the demo, steps and
# memory of large shapes, peers. The most telling parts come first. Each part has a time limit of its own, and what does not fit
# into the time in all is skipped.
#
# It runs from a folder that gpu-pack.sh made, on a machine without Rust, network or this source tree, or from the source tree. It
# prints tables and ends with the goals for an H100. $OUT then holds gpu-check.txt (what was printed), results.jsonl (every number),
# tests.txt (the output of the tests) and demo.jsonl (the events of a run).
#
# Variables:
#   TOTAL      seconds in all (360)
#   PARTS      parts to run (doctor tests demo ranks roberta llama llama3 offload peers), in any number
#   OUT        folder for the results (gpu-check)
#   DEVICE     cuda:0; with cpu and SMALL=1 the script itself is tried out, with shapes of a few MB and a part of the tests
#   STEPS      timed steps of a method (5)
#   FINESIFT   the program (finesift beside this script, or else target/release/finesift)
#   PYTHON     a Python with torch 2.11, transformers and peft (python3); finesift takes its CUDA libraries from there
#   DEMO       folder with minilm/ and sentences.jsonl (demo beside this script, or else the cache's)
set -uo pipefail

TOTAL=${TOTAL:-360}
PARTS=${PARTS:-doctor tests demo ranks roberta llama llama3 offload peers}
OUT=${OUT:-gpu-check}
DEVICE=${DEVICE:-cuda:0}
STEPS=${STEPS:-5}
PYTHON=${PYTHON:-python3}
SMALL=${SMALL:-}

here=$(cd "$(dirname "$0")" && pwd)
failures=0
child=

main() {
    exec 3>&1
    if [ -f "$here/finesift-gpu-program.tar.xz" ]; then
        unpack || exit 1
    fi
    find_files
    find_libraries
    find_shapes
    # Parity is of fp32, and the measurements of TF32 ask for it.
    unset NVIDIA_TF32_OVERRIDE TORCH_ALLOW_TF32_CUBLAS_OVERRIDE
    local part
    for part in $PARTS; do
        case $part in
            doctor) part_doctor ;;
            tests) part_tests ;;
            demo) part_demo ;;
            ranks) part_ranks ;;
            roberta) part_roberta ;;
            llama) part_llama ;;
            llama3) part_llama3 ;;
            offload) part_offload ;;
            peers) part_peers ;;
            *) echo "PARTS: no part \"$part\"; expected doctor, tests, demo, ranks, roberta, llama, llama3, offload or peers"; exit 2 ;;
        esac
    done
    say "goals${SMALL:+ (of small shapes, and so of no meaning)}"
    report goals
    say "$SECONDS s of $TOTAL; $failures commands failed"
    [ "$failures" = 0 ]
}

# The archives of gpu-pack.sh, into the work folder. Not every machine has xz; every Python has.
unpack() {
    local archive
    say "unpacking"
    for archive in "$here"/finesift-gpu-*.tar.xz; do
        tar -xJf "$archive" -C "$work" 2>/dev/null || "$PYTHON" -m tarfile -e "$archive" "$work" || return 1
    done
    here=$work
}

# Where everything lies: all beside this script, or in the source tree.
find_files() {
    local root target
    root=$(cd "$here/.." && pwd)
    if [ -x "$here/finesift" ]; then
        base=$here
        FINESIFT=${FINESIFT:-$here/finesift}
        DEMO=${DEMO:-$here/demo}
        it=("$here/finesift-it")
        unit=("$here/finesift-lib")
    else
        base=$root
        target=${CARGO_TARGET_DIR:-$root/target}
        FINESIFT=${FINESIFT:-$target/release/finesift}
        DEMO=${DEMO:-${XDG_CACHE_HOME:-$HOME/.cache}/finesift/demo}
        it=(cargo test --locked --manifest-path "$root/Cargo.toml" --test it --)
        unit=(cargo test --locked --manifest-path "$root/Cargo.toml" --lib --)
        if [[ " $PARTS " = *" tests "* ]]; then
            say "building the tests"
            # Compiling is not what is limited.
            cargo test --locked --manifest-path "$root/Cargo.toml" --lib --test it --no-run || exit 1
            SECONDS=0
        fi
    fi
    if [ ! -x "$FINESIFT" ]; then
        echo "no program: $FINESIFT (cargo build --release makes it, or set FINESIFT)"
        exit 1
    fi
    # A preset's paths are not relative to this folder.
    [ ! -d "$DEMO" ] || DEMO=$(cd "$DEMO" && pwd)
}

# The program and the tests find their libraries in a Python environment's torch.
find_libraries() {
    local torch folder libraries
    peers_possible=
    if torch=$("$PYTHON" -c 'import os, torch; print(os.path.dirname(torch.__file__))' 2>/dev/null); then
        libraries=$torch/lib
        for folder in "$(dirname "$torch")"/nvidia/*/lib; do
            [ -d "$folder" ] && libraries=$libraries:$folder
        done
        export LD_LIBRARY_PATH="$libraries${LD_LIBRARY_PATH:+:$LD_LIBRARY_PATH}"
        peers_possible=yes
    fi
}

# The shapes of the benchmarks, or with SMALL small ones of the same families.
find_shapes() {
    roberta=$base/benches/shapes/roberta-large.json
    llama=$base/benches/shapes/llama-7b.json
    llama13=$base/benches/shapes/llama-13b.json
    llama3=$base/benches/shapes/llama-3-8b.json
    rows=32 length=128 seq=2048 seq3=4096 rank=128 rank3=16
    [ -n "$SMALL" ] || return 0
    rows=4 length=16 seq=32 seq3=32 rank=4 rank3=4
    roberta=$(shrunk "$roberta") llama=$(shrunk "$llama") llama13=$(shrunk "$llama13") llama3=$(shrunk "$llama3")
}

shrunk() {
    local small=$work/${1##*/}
    sed -E 's/"(hidden|intermediate)_size": [0-9]+/"\1_size": 64/; s/"num_attention_heads": [0-9]+/"num_attention_heads": 4/
            s/"num_key_value_heads": [0-9]+/"num_key_value_heads": 2/; s/"num_hidden_layers": [0-9]+/"num_hidden_layers": 2/
            s/"vocab_size": [0-9]+/"vocab_size": 512/' "$1" > "$small"
    echo "$small"
}

say() {
    printf '\n== %s\n' "$1"
}

report() {
    "$PYTHON" "$here/gpu_report.py" "$OUT/results.jsonl" "$@"
}

# limited NAME NEEDS LIMIT COMMAND…: runs a command for LIMIT seconds at most. It is skipped where less time is left than the NEEDS
# seconds it takes in all likelihood; status 77 then. What it notes goes to descriptor 3, since callers redirect the output.
limited() {
    local name=$1 needs=$2 limit=$3 left=$((TOTAL - SECONDS)) status
    shift 3
    if [ "$left" -lt "$needs" ]; then
        report note "$name" skipped "$left s of $TOTAL are left, and it takes about $needs s" >&3
        return 77
    fi
    [ "$limit" -le "$left" ] || limit=$left
    # In the background, so that a signal for this script reaches it at once; timeout passes it to all processes of the command.
    timeout --kill-after=5 "$limit" "$@" &
    child=$!
    wait "$child"
    status=$?
    child=
    if [ "$status" != 0 ]; then
        failures=$((failures + 1))
        case $status in
            124 | 137) report note "$name" "timed out" "after $limit s" >&3 ;;
            *) report note "$name" failed "ended with status $status" >&3 ;;
        esac
    fi
    return "$status"
}

part_doctor() {
    say "doctor"
    limited doctor 5 60 "$FINESIFT" doctor
}

# Parity and the method first: without them no number below means anything.
part_tests() {
    if [ -n "$SMALL" ]; then
        tests parity 5 120 "${it[@]}" parity::logits
        tests "the method's operations" 5 120 "${unit[@]}" sift::values
        tests "steps and runs" 5 240 "${it[@]}" structures::steps resume::a_run_without
        return
    fi
    tests parity 15 45 "${it[@]}" parity::
    # What samples gradients computes on a CPU alone.
    tests "the method's operations and kernels" 10 45 "${unit[@]}" sift:: cuda copies attention::tests:: fused:: --skip sift::sampled
    tests "steps" 10 45 "${it[@]}" sift:: structures:: language_model:: lookahead:: unpadded:: offload::
    tests "NCCL, one rank" 5 30 "${it[@]}" nccl::
    # Left out are those that start a process for each of many cases: matmul and crash.
    tests "runs" 20 60 "${it[@]}" run:: resume:: methods:: --skip ui_methods::
}

# tests NAME NEEDS LIMIT COMMAND…
tests() {
    local name=$1 log=$work/tests.txt
    say "tests on $DEVICE: $name"
    FINESIFT_TEST_DEVICE=$DEVICE limited "$@" --show-output > "$log" 2>&1
    [ "$?" != 77 ] || return
    report tests "$name" "$log"
    { printf '== %s\n' "$name"; cat "$log"; } >> "$OUT/tests.txt"
}

# The demo: two whole runs, one that is terminated and resumed, and a longer one, since a GPU is asked once a second how busy it is.
part_demo() {
    if [ ! -d "$DEMO" ]; then
        say "no demo: $DEMO is not there"
        return
    fi
    say "whole runs of the demo"
    grep -qs '"F16"' "$DEMO/minilm/model.safetensors" && echo "its weights were rounded to fp16 for the way; they are trained in fp32"
    local runs=$work/runs at=50 epochs=12 more=()
    if [ -n "$SMALL" ]; then
        at=8 epochs=1
        more=(--set train.max_steps=40 --set data.max_length=16)
    fi
    train first "${more[@]}" && train second "${more[@]}" && report same "two runs of the demo" "$runs/first" "$runs/second"
    [ -f "$runs/first/events.jsonl" ] && report speed "demo, as it is" "$runs/first"
    interrupted "$at" "${more[@]}" && report same "the demo, terminated and resumed" "$runs/first" "$runs/interrupted"
    # Other kernels compute attention in bf16. On a CPU two runs would take minutes.
    [ -z "$SMALL" ] && train narrow --set model.dtype=bf16 && train again --set model.dtype=bf16 &&
        report same "two runs of the demo in bf16" "$runs/narrow" "$runs/again"
    train long --set "train.epochs=$epochs" "${more[@]}" && report speed "demo, $epochs epochs" "$runs/long"
    [ -f "$runs/long/events.jsonl" ] && cp "$runs/long/events.jsonl" "$OUT/demo.jsonl"
}

# Two ranks that both have the first GPU, which has to be said before the first step. NCCL with one rank is among the tests.
part_ranks() {
    local rank refused=0
    if [ "$DEVICE" = cpu ] || [ ! -d "$DEMO" ]; then
        return
    fi
    say "two ranks on one GPU"
    for rank in 0 1; do
        CUDA_VISIBLE_DEVICES=0 RANK=$rank WORLD_SIZE=2 LOCAL_RANK=$rank MASTER_ADDR=127.0.0.1 MASTER_PORT=29517 timeout --kill-after=5 40 \
            "$FINESIFT" train demo --runs "$work/runs" --run shared --headless --json --rank-timeout 20 \
            --set "model.id=\"$DEMO/minilm\"" --set "data.path=\"$DEMO/sentences.jsonl\"" > "$work/rank-$rank.txt" 2>&1 &
    done
    wait
    refused=$(cat "$work"/rank-?.txt | grep -c "ranks 0 and 1 have the same GPU")
    if [ "$refused" -ge 1 ]; then
        echo "refused: $(grep -h "have the same GPU" "$work"/rank-?.txt | head -1)"
    else
        failures=$((failures + 1))
        report note "two ranks on one GPU" failed "nobody said that they share it: $(tail -n 1 "$work/rank-1.txt")"
    fi
}

# train RUN OPTIONS…
train() {
    local run=$1
    shift
    limited "demo, run $run" 10 120 "$FINESIFT" train demo --device "$DEVICE" --runs "$work/runs" --run "$run" --headless --json \
        --set "model.id=\"$DEMO/minilm\"" --set "data.path=\"$DEMO/sentences.jsonl\"" "$@" > "$work/$run.jsonl"
}

# interrupted STEP OPTIONS…: a run that gets SIGTERM after that step, and is resumed.
interrupted() {
    local at=$1 events=$work/runs/interrupted/events.jsonl pid tries=0
    shift
    if [ "$((TOTAL - SECONDS))" -lt 15 ]; then
        report note "demo, terminated and resumed" skipped "$((TOTAL - SECONDS)) s of $TOTAL are left, and it takes about 15 s"
        return 1
    fi
    # In the foreground: otherwise timeout passes the signal on twice, and the second one ends a run without a checkpoint.
    timeout --foreground --kill-after=20 120 "$FINESIFT" train demo --device "$DEVICE" --runs "$work/runs" --run interrupted \
        --headless --json --set "model.id=\"$DEMO/minilm\"" --set "data.path=\"$DEMO/sentences.jsonl\"" "$@" \
        > "$work/interrupted.jsonl" &
    pid=$!
    child=$pid
    until [ "$(grep -cs '"event":"step"' "$events")" -ge "$at" ] 2>/dev/null; do
        tries=$((tries + 1))
        if [ "$tries" -gt 1200 ] || ! kill -0 "$pid" 2>/dev/null; then
            break
        fi
        sleep 0.05
    done
    kill -TERM "$pid" 2>/dev/null
    wait "$pid"
    local status=$?
    child=
    # 128 and the number of the signal.
    if [ "$status" != 143 ]; then
        failures=$((failures + 1))
        report note "demo, terminated and resumed" failed "SIGTERM after step $at: it ended with status $status instead of 143"
        return 1
    fi
    echo "terminated after step $(grep -c '"event":"step"' "$events")"
    limited "demo, resumed" 5 120 "$FINESIFT" resume interrupted --runs "$work/runs" --device "$DEVICE" --headless --json > "$work/resumed.jsonl"
}

part_roberta() {
    local numbers options
    for numbers in bf16 tf32 f32; do
        case $numbers in
            bf16) options=(--dtype bf16) ;;
            # On a CPU there is no TF32, and the program says so.
            tf32) options=(--matmul tf32) ;;
            f32) options=() ;;
        esac
        bench "RoBERTa-large 32x128, $numbers" 8 60 forward,sift-sampled,sift-columns --config "$roberta" --batch "$rows" --seq "$length" \
            "${options[@]}"
    done
}

part_llama() {
    local shape="Llama-7B 1x2048, bf16, 5 %" options=(--config "$llama" --dtype bf16 --batch 1 --seq "$seq" --rate 0.05)
    bench "$shape" 15 60 sift-sampled "${options[@]}"
    bench "$shape" 15 60 sift-columns "${options[@]}"
    bench "$shape, checkpointing" 15 60 sift-sampled "${options[@]}" --checkpointing
    bench "$shape, checkpointing" 15 60 sift-columns "${options[@]}" --checkpointing
    bench "$shape" 10 40 forward "${options[@]}"
}

part_llama3() {
    local options=(--config "$llama3" --dtype bf16 --batch 2 --seq "$seq3" --rate 0.01)
    bench "Llama-3-8B 2x4096, bf16, 1 %" 15 90 sift-columns "${options[@]}"
    bench "Llama-3-8B 2x4096, bf16, 1 %, checkpointing" 15 90 sift-columns "${options[@]}" --checkpointing
}

# Weights of blocks in host memory. Beside the same with all of them on the GPU, which is in the part before.
part_offload() {
    local options=(--dtype bf16 --batch 1 --seq "$seq" --offload)
    bench "Llama-7B 1x2048, bf16, 5 %, offload" 20 60 sift-sampled --config "$llama" --rate 0.05 "${options[@]}"
    bench "Llama-13B 1x2048, bf16, 1 %, offload" 30 90 sift-sampled --config "$llama13" --rate 0.01 "${options[@]}"
}

# bench SHAPE NEEDS LIMIT METHODS OPTIONS…
bench() {
    local shape=$1 needs=$2 limit=$3 methods=$4 lines=$work/bench.jsonl
    shift 4
    head_of "$shape"
    limited "$shape, $methods" "$needs" "$limit" \
        "$FINESIFT" bench --device "$DEVICE" --steps "$STEPS" --apart --json --methods "$methods" "$@" > "$lines"
    report bench "$shape" < "$lines"
}

# The heading of a shape, once for the parts that follow each other.
head_of() {
    [ "$1" != "${heading:-}" ] || return 0
    heading=$1
    say "$1"
    printf '%-22s %14s %10s %10s %11s %11s %11s %8s\n' method trainable s/step min tokens/s memory estimate off
}

# Compiling takes a minute or two, so what is compiled comes last.
part_peers() {
    if [ -z "$peers_possible" ]; then
        say "$PYTHON has no torch: peers are left out"
        return
    fi
    local roberta_options=(--config "$roberta" --dtype bf16 --batch "$rows" --seq "$length")
    local llama_options=(--config "$llama" --dtype bf16 --batch 1 --seq "$seq")
    peer "RoBERTa-large 32x128, bf16" 10 40 lora-8 "${roberta_options[@]}"
    peer "Llama-7B 1x2048, bf16" 15 60 "lora-$rank" "${llama_options[@]}"
    peer "Llama-7B 1x2048, bf16" 15 60 "lora-$rank+flash" "${llama_options[@]}"
    peer "Llama-3-8B 2x4096, bf16, checkpointing" 20 60 "lora-$rank3" --config "$llama3" --dtype bf16 --batch 2 --seq "$seq3" --checkpointing
    peer "RoBERTa-large 32x128, bf16" 75 120 lora-8+compile "${roberta_options[@]}"
    peer "Llama-7B 1x2048, bf16" 115 180 "lora-$rank+compile" "${llama_options[@]}"
}

# peer SHAPE NEEDS LIMIT METHOD OPTIONS…
peer() {
    local shape=$1 needs=$2 limit=$3 method=$4 lines=$work/peers.jsonl
    shift 4
    head_of "$shape, PyTorch and PEFT"
    limited "$shape, $method" "$needs" "$limit" "$PYTHON" "$base/benches/peers/gpu_peers.py" --device "$DEVICE" --steps "$STEPS" --json \
        --methods "$method" "$@" > "$lines"
    report peers "$shape" < "$lines"
}

case ${1:-} in
    -h | --help)
        sed -n '2,/^set /{/^set /d;s/^# \{0,1\}//;p}' "$0"
        exit 0
        ;;
    ?*)
        echo "gpu-check.sh: unknown argument \"$1\"; its variables are in --help" >&2
        exit 2
        ;;
esac
if ! "$PYTHON" -c '' 2>/dev/null; then
    echo "gpu-check.sh: $PYTHON does not run; set PYTHON to a Python 3.9 or later" >&2
    exit 1
fi
mkdir -p "$OUT"
rm -f "$OUT/results.jsonl" "$OUT/tests.txt" "$OUT/demo.jsonl"
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
# In a subshell of its own, so that tee has written all when this ends.
(
    # A signal ends the command that runs, too.
    trap '[ -z "$child" ] || kill "$child" 2>/dev/null; exit 130' INT TERM
    main
) 2>&1 | tee "$OUT/gpu-check.txt"
exit "${PIPESTATUS[0]}"
