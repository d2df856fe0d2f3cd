#!/usr/bin/env bash
# What an NVIDIA GPU makes of finesift, from a copied program: doctor, steps and memory of large shapes beside PEFT and full
# fine-tuning, and a whole run of the demo. Prints tables; what was printed is in $OUT too.
#
#   FINESIFT   the program (finesift beside this script, or target/release/finesift)
#   PYTHON     a Python with torch 2.11, transformers and peft (python3); finesift takes its CUDA libraries from there
#   OUT        where results go (gpu-check)
#   DEMO       the cache's folder `demo`, copied along, for a whole run; left out where it is not there
#   DEVICE     cuda:0; with cpu and SMALL=1 the script itself is tried out, with shapes of a few MB
#   LAYERS     layers of Llama's shape to train in full (8)
#   STEPS      timed steps (5)
set -uo pipefail
here=$(cd "$(dirname "$0")" && pwd)
root=$(cd "$here/.." && pwd)
FINESIFT=${FINESIFT:-$([ -x "$here/finesift" ] && echo "$here/finesift" || echo "$root/target/release/finesift")}
PYTHON=${PYTHON:-python3}
OUT=${OUT:-gpu-check}
DEMO=${DEMO:-${XDG_CACHE_HOME:-$HOME/.cache}/finesift/demo}
DEVICE=${DEVICE:-cuda:0}
LAYERS=${LAYERS:-8}
STEPS=${STEPS:-5}
mkdir -p "$OUT"
exec > >(tee "$OUT/gpu-check.txt") 2>&1
failures=0

# The program finds its libraries in a Python environment's torch.
if torch=$("$PYTHON" -c 'import os, torch; print(os.path.dirname(torch.__file__))' 2>/dev/null); then
    site=$(dirname "$torch")
    libraries="$torch/lib"
    for folder in "$site"/nvidia/*/lib; do [ -d "$folder" ] && libraries="$libraries:$folder"; done
    export LD_LIBRARY_PATH="$libraries${LD_LIBRARY_PATH:+:$LD_LIBRARY_PATH}"
else
    echo "$PYTHON has no torch: peers are left out"
    PYTHON=
fi

say() { printf '\n== %s\n' "$1"; }
try() {
    printf '$ %s\n' "$(printf '%q ' "$@")"
    "$@" || { echo "ended with status $?"; failures=$((failures + 1)); }
}
bench() { try "$FINESIFT" bench --device "$DEVICE" --steps "$STEPS" --apart --plan "$@"; }
peers() { [ -z "$PYTHON" ] || try "$PYTHON" "$root/benches/peers/gpu_peers.py" --device "$DEVICE" --steps "$STEPS" "$@"; }

if [ -n "${SMALL:-}" ]; then
    llama=$OUT/llama.json roberta=$OUT/roberta.json
    sed -E 's/"(hidden_size|intermediate_size)": [0-9]+/"\1": 64/; s/"num_attention_heads": 32/"num_attention_heads": 4/; s/"num_key_value_heads": 32/"num_key_value_heads": 4/; s/"num_hidden_layers": 32/"num_hidden_layers": 3/; s/32000/512/' "$root/benches/shapes/llama-7b.json" > "$llama"
    sed -E 's/"(hidden_size|intermediate_size)": [0-9]+/"\1": 64/; s/"num_attention_heads": 16/"num_attention_heads": 4/; s/"num_hidden_layers": 24/"num_hidden_layers": 2/; s/50265/512/' "$root/benches/shapes/roberta-large.json" > "$roberta"
    seq=32 rows=4 length=16 rank=4 LAYERS=2
else
    llama=$root/benches/shapes/llama-7b.json roberta=$root/benches/shapes/roberta-large.json
    seq=2048 rows=32 length=128 rank=128
fi

say "doctor"
try "$FINESIFT" doctor

say "Llama-7B's shape, bf16, one row of $seq tokens, 5 %"
for how in "" --checkpointing; do
    bench --config "$llama" --dtype bf16 --batch 1 --seq "$seq" --rate 0.05 --methods forward,sift-sampled $how
    peers --config "$llama" --dtype bf16 --batch 1 --seq "$seq" --methods "lora-$rank" $how
done

say "the same in full, $LAYERS layers, with gradient checkpointing"
bench --config "$llama" --layers "$LAYERS" --dtype bf16 --batch 1 --seq "$seq" --methods full,sift-sampled --checkpointing
peers --config "$llama" --layers "$LAYERS" --dtype bf16 --batch 1 --seq "$seq" --methods full --checkpointing

for numbers in f32 tf32 bf16; do
    say "RoBERTa-large's shape, $rows x $length, $numbers"
    dtype=$numbers
    matmul=f32
    # The peers read the variable; finesift has an option.
    unset TORCH_ALLOW_TF32_CUBLAS_OVERRIDE
    if [ "$numbers" = tf32 ]; then
        dtype=f32
        matmul=tf32
        export TORCH_ALLOW_TF32_CUBLAS_OVERRIDE=1
    fi
    bench --config "$roberta" --dtype "$dtype" --matmul "$matmul" --batch "$rows" --seq "$length" --methods forward,full,sift-sampled
    peers --config "$roberta" --dtype "$dtype" --batch "$rows" --seq "$length" --methods forward,full,lora-8
done
unset TORCH_ALLOW_TF32_CUBLAS_OVERRIDE

if [ -d "$DEMO" ]; then
    say "a whole run of the demo"
    rm -rf "$OUT/runs"
    more=()
    [ -z "${SMALL:-}" ] || more=(--set train.max_steps=4 --set data.max_length=16)
    try "$FINESIFT" train demo --device "$DEVICE" --runs "$OUT/runs" --run gpu --headless --set "model.id=\"$DEMO/minilm\"" --set "data.path=\"$DEMO/sentences.jsonl\"" "${more[@]}"
    grep -c '"gpu":{' "$OUT/runs/gpu/events.jsonl" | sed 's/$/ samples of the GPU in the events/'
else
    say "no demo: $DEMO is not there"
fi

say "$failures commands failed"
[ "$failures" = 0 ]
