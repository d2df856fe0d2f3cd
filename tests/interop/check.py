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
from safetensors.torch import load_file, save_file
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from tokenizers import Tokenizer
from transformers import AutoModelForSequenceClassification, AutoTokenizer, RobertaForSequenceClassification

TEXTS = [
    "A wonderful film, warm and funny.",
    "This is the worst purchase I have made in years, and the refund never came.",
    "good",
    "The plot is thin; the acting, however, saves it!",
    "Not bad, not great. " * 12,
]
TOLERANCE = 1e-5
FIXTURES = Path(__file__).resolve().parent.parent / "fixtures/models"


def finesift(*arguments):
    """Runs the program in the working folder and returns its stdout."""
    done = subprocess.run([PROGRAM, *map(str, arguments)], capture_output=True, text=True)
    assert done.returncode == 0, f"finesift {' '.join(map(str, arguments))}: {done.stderr}"
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


def check_roberta():
    """RoBERTa's head is two layers, which PEFT has to be told of in another way."""
    fixture, model = FIXTURES / "tiny-roberta", Path("roberta")
    model.mkdir()
    tensors = load_file(fixture / "model.safetensors")
    save_file({name: tensor for name, tensor in tensors.items() if not name.startswith("classifier")},
              model / "model.safetensors", metadata={"format": "pt"})
    config = json.loads((fixture / "config.json").read_text())
    (model / "config.json").write_text(json.dumps(config))
    words = ["<s>", "<pad>", "</s>", "<unk>", "good", "bad"] + [f"w{i}" for i in range(50)]
    (model / "tokenizer.json").write_text(json.dumps({
        "version": "1.0", "truncation": None, "padding": None, "added_tokens": [], "normalizer": None,
        "pre_tokenizer": {"type": "Whitespace"}, "decoder": None,
        "post_processor": {"type": "BertProcessing", "sep": ["</s>", 2], "cls": ["<s>", 0]},
        "model": {"type": "WordLevel", "vocab": {word: i for i, word in enumerate(words)}, "unk_token": "<unk>"},
    }))
    texts = [f"w{i % 50} w{i * 7 % 50} {'good' if i % 2 else 'bad'}" for i in range(64)]
    rows = [json.dumps({"text": text, "label": "yes" if "good" in text else "no"}) for text in texts]
    Path("words.jsonl").write_text("\n".join(rows) + "\n")
    Path("roberta.toml").write_text("""
[model]
id = "./roberta"
[data]
path = "words.jsonl"
eval_fraction = 0.25
labels = ["no", "yes"]
max_length = 16
[sift]
rate = 0.05
modules = ["query", "key", "value", "attention.output.dense"]
dense = ["classifier"]
biases = false
[train]
epochs = 2
batch = 8
learning_rate = 5e-3
""")
    finesift("train", "roberta.toml", "--run", "roberta", "--device", "cpu", "--headless")
    finesift("export", "roberta", "--to", "merged", "--out", "roberta-merged")
    finesift("export", "roberta", "--to", "shira", "--out", "roberta-shira")
    lines = finesift("predict", "runs/roberta", "--data", "words.jsonl", "--device", "cpu").splitlines()
    ours = torch.tensor([json.loads(line)["logits"] for line in lines])
    tokenizer = Tokenizer.from_file("roberta/tokenizer.json")

    def theirs(model):
        with torch.no_grad():
            return torch.stack([model(torch.tensor([tokenizer.encode(text).ids])).logits[0] for text in texts])

    load = lambda folder: RobertaForSequenceClassification.from_pretrained(folder, num_labels=2, dtype=torch.float32).eval()
    compare("transformers on RoBERTa's merged folder", theirs(load("roberta-merged")), ours)
    adapted = PeftModel.from_pretrained(load("roberta"), "roberta-shira").eval()
    compare("PEFT with RoBERTa's adapter", theirs(adapted), ours)
    compare("PEFT with RoBERTa's adapter, merged and unloaded", theirs(adapted.merge_and_unload()), ours)


def main():
    check_roberta()
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
