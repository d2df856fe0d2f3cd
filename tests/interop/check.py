"""Trains a few steps of the demo, exports it in each form, and has transformers and PEFT load what came out.

usage: check.py FINESIFT"""

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

os.environ["HF_HUB_OFFLINE"] = "1"

import torch
from peft import PeftModel
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from transformers import AutoModelForSequenceClassification, AutoTokenizer

TEXTS = [
    "A wonderful film, warm and funny.",
    "This is the worst purchase I have made in years, and the refund never came.",
    "good",
    "The plot is thin; the acting, however, saves it!",
    "Not bad, not great. " * 12,
]
TOLERANCE = 1e-5


def finesift(*arguments):
    """Runs the program in the working folder and returns its stdout."""
    done = subprocess.run([PROGRAM, *map(str, arguments)], check=True, capture_output=True, text=True)
    return done.stdout


def logits(model, tokenizer):
    """One text at a time, so that padding plays no part."""
    with torch.no_grad():
        rows = [model(**tokenizer(text, truncation=True, max_length=64, return_tensors="pt")).logits[0] for text in TEXTS]
    return torch.stack(rows)


def compare(name, got, expected):
    off = (got - expected).abs().max().item()
    print(f"{name}: off by {off:.1e}")
    assert off < TOLERANCE, f"{name} is off by {off}, more than {TOLERANCE}"


def main():
    finesift("train", "demo", "--run", "run", "--device", "cpu", "--headless", "--set", "train.max_steps=8",
             "--set", "train.eval_every=8", "--set", "sift.biases=false", "--set", "train.warmup=0")
    for form in ["merged", "shira", "delta"]:
        finesift("export", "run", "--to", form, "--out", form if form != "delta" else "delta.safetensors")
    finesift("apply", "delta.safetensors", "--out", "by-delta")
    for file in Path("merged").iterdir():
        assert file.read_bytes() == Path("by-delta", file.name).read_bytes(), f"{file.name} differs by delta"
    print("delta + base: equal to merged bit for bit")

    finesift("export", "run", "--to", "tensorboard", "--out", "board")
    board = EventAccumulator("board").Reload()
    steps = [json.loads(line) for line in Path("runs/run/events.jsonl").read_text().splitlines()]
    told = [(step["step"], step["loss"]) for step in steps if step["event"] == "step"]
    read = [(scalar.step, scalar.value) for scalar in board.Scalars("train/loss")]
    assert len(read) == 8 and all(a == c and abs(b - d) < 1e-6 for (a, b), (c, d) in zip(told, read)), (told, read)
    print("tensorboard: reads the losses of", len(read), "steps and", sorted(board.Tags()["scalars"]))

    Path("texts.jsonl").write_text("".join(json.dumps({"text": text}) + "\n" for text in TEXTS))
    lines = finesift("predict", "run", "--data", "texts.jsonl", "--device", "cpu").splitlines()
    ours = torch.tensor([json.loads(line)["logits"] for line in lines])

    base = json.loads(Path("shira/adapter_config.json").read_text())["base_model_name_or_path"]
    tokenizer = AutoTokenizer.from_pretrained("merged")
    load = lambda folder: AutoModelForSequenceClassification.from_pretrained(folder, num_labels=2, dtype=torch.float32).eval()
    merged = load("merged")
    assert merged.config.id2label == {0: "negative", 1: "positive"}, merged.config.id2label
    compare("transformers on the merged folder", logits(merged, tokenizer), ours)
    plain = (logits(load(base), tokenizer) - ours).abs().max().item()
    assert plain > 100 * TOLERANCE, f"training changed next to nothing ({plain}): the checks above show nothing"
    adapted = PeftModel.from_pretrained(load(base), "shira").eval()
    compare("PEFT with the SHiRA adapter", logits(adapted, tokenizer), ours)
    compare("PEFT, merged and unloaded", logits(adapted.merge_and_unload(), tokenizer), ours)


if __name__ == "__main__":
    PROGRAM = str(Path(sys.argv[1]).resolve())
    with tempfile.TemporaryDirectory() as folder:
        os.chdir(folder)
        main()
