"""Trains a few steps, exports in every form, and loads the exports with transformers and PEFT.

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
from transformers import (AutoModelForCausalLM, AutoModelForSequenceClassification, AutoTokenizer, LlamaForCausalLM,
                          RobertaForSequenceClassification)

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
    """Runs finesift in the working folder and returns its stdout."""
    done = subprocess.run([PROGRAM, *map(str, arguments)], capture_output=True, text=True)
    assert done.returncode == 0, f"finesift {' '.join(map(str, arguments))}: {done.stderr}"
    return done.stdout


def logits(model, tokenizer):
    """Logits of one text at a time, so that padding has no effect."""
    with torch.no_grad():
        rows = [model(**tokenizer(text, truncation=True, max_length=64, return_tensors="pt")).logits[0] for text in TEXTS]
    return torch.stack(rows)


def compare(name, got, expected):
    off = (got - expected).abs().max().item()
    print(f"{name}: largest difference {off:.1e}")
    assert off < TOLERANCE, f"{name}: difference {off} exceeds {TOLERANCE}"


def make_roberta():
    """A tiny RoBERTa with texts and the preset roberta.toml. Returns the texts, and the logits of a transformers model."""
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
    tokenizer = Tokenizer.from_file("roberta/tokenizer.json")

    def theirs(model):
        with torch.no_grad():
            return torch.stack([model(torch.tensor([tokenizer.encode(text).ids])).logits[0] for text in texts])

    return texts, theirs


def load_roberta(folder):
    return RobertaForSequenceClassification.from_pretrained(folder, num_labels=2, dtype=torch.float32).eval()


def check_roberta():
    """RoBERTa's head has two layers, which modules_to_save has to name one by one."""
    _, theirs = make_roberta()
    finesift("train", "roberta.toml", "--run", "roberta", "--device", "cpu", "--headless")
    finesift("export", "roberta", "--to", "merged", "--out", "roberta-merged")
    finesift("export", "roberta", "--to", "shira", "--out", "roberta-shira")
    lines = finesift("predict", "runs/roberta", "--data", "words.jsonl", "--device", "cpu").splitlines()
    ours = torch.tensor([json.loads(line)["logits"] for line in lines])
    compare("transformers on RoBERTa's merged folder", theirs(load_roberta("roberta-merged")), ours)
    adapted = PeftModel.from_pretrained(load_roberta("roberta"), "roberta-shira").eval()
    compare("PEFT with RoBERTa's adapter", theirs(adapted), ours)
    compare("PEFT with RoBERTa's adapter, merged and unloaded", theirs(adapted.merge_and_unload()), ours)


def make_llama():
    """A tiny sharded Llama with completions and the preset llama.toml.

    Returns its weight files, the mean log-probabilities and logits of a transformers model, and finesift's log-probabilities."""
    fixture, model, eos = FIXTURES / "tiny-llama", Path("llama"), 2
    LlamaForCausalLM.from_pretrained(fixture, dtype=torch.float32).save_pretrained(model, max_shard_size="200KB")
    files = sorted(file.name for file in model.glob("*.safetensors"))
    assert len(files) > 1, files
    words = ["<unk>", "<s>", "</s>"] + [f"w{i}" for i in range(500)]
    (model / "tokenizer.json").write_text(json.dumps({
        "version": "1.0", "truncation": None, "padding": None, "normalizer": None, "decoder": None,
        "added_tokens": [{"id": eos, "content": "</s>", "single_word": False, "lstrip": False, "rstrip": False,
                          "normalized": False, "special": True}],
        "pre_tokenizer": {"type": "Whitespace"}, "post_processor": None,
        "model": {"type": "WordLevel", "vocab": {word: i for i, word in enumerate(words)}, "unk_token": "<unk>"},
    }))
    (model / "tokenizer_config.json").write_text(json.dumps({"eos_token": "</s>"}))
    # In this language each word is followed by the next number.
    chain = lambda start, length: " ".join(f"w{(start * 37 + i) % 500}" for i in range(length))
    row = lambda i: {"prompt": chain(i, 2 + i % 9) + " ", "completion": chain(i + 1, 1 + i % 3)}
    Path("chains.jsonl").write_text("".join(json.dumps(row(i)) + "\n" for i in range(64)))
    Path("llama.toml").write_text("""
[model]
id = "./llama"
[data]
format = "prompt_completion"
path = "chains.jsonl"
eval_fraction = 0.25
max_length = 32
[sift]
rate = 0.05
modules = ["q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"]
dense = ["model.norm"]
[train]
epochs = 2
batch = 8
learning_rate = 5e-3
""")
    tokenizer = Tokenizer.from_file("llama/tokenizer.json")
    examples = [row(i) for i in range(64, 76)]

    def log_probabilities(name):
        """finesift's mean log-probability of each completion with its EOS."""
        scores = []
        for texts in examples:
            Path("examples.jsonl").write_text(json.dumps(texts) + "\n")
            logged = json.loads(finesift("eval", name, "--task", "perplexity", "--format", "prompt_completion", "--data",
                                       "examples.jsonl", "--device", "cpu", "--json"))
            scores.append(-logged["loss"])
        return torch.tensor(scores, dtype=torch.float64)

    def theirs(model):
        scores, rows = [], []
        for texts in examples:
            before, after = (tokenizer.encode(texts[part]).ids for part in ["prompt", "completion"])
            ids = torch.tensor([before + after + [eos]])
            with torch.no_grad():
                logits = model(ids).logits[0]
            rows.append(logits)
            wanted = logits.double().log_softmax(-1)[:-1].gather(1, ids[0, 1:, None])[len(before) - 1:]
            scores.append(wanted.mean())
        return torch.stack(scores), torch.cat(rows)

    return files, theirs, log_probabilities


def check_llama():
    """A sharded decoder: compares log-probabilities of completions."""
    files, theirs, log_probabilities = make_llama()
    finesift("train", "llama.toml", "--run", "llama", "--device", "cpu", "--headless")
    for form in ["merged", "shira", "delta"]:
        finesift("export", "runs/llama", "--to", form, "--out", f"llama-{form}")
    finesift("apply", "llama-delta", "--out", "llama-by-delta")
    for file in Path("llama-merged").iterdir():
        assert file.read_bytes() == Path("llama-by-delta", file.name).read_bytes(), f"{file.name} differs by delta"
    assert sorted(file.name for file in Path("llama-merged").glob("*.safetensors")) == files
    print("Llama's delta + base: bitwise equal to merged, in", len(files), "files")

    ours = log_probabilities("runs/llama")
    load = lambda folder: AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32).eval()
    scores, logits = theirs(load("llama-merged"))
    compare("transformers on Llama's merged folder, log-probabilities", scores, ours)
    compare("finesift on Llama's merged folder, log-probabilities", log_probabilities("./llama-merged"), ours)
    before = theirs(load("llama"))[0]
    assert (before - ours).abs().max() > 100 * TOLERANCE, "training changed almost nothing, so the comparisons prove nothing"
    adapted = PeftModel.from_pretrained(load("llama"), "llama-shira").eval()
    for name, model in [("PEFT with Llama's adapter", adapted), ("PEFT, merged and unloaded", None)]:
        adapted_scores, adapted_logits = theirs(model or adapted.merge_and_unload())
        compare(f"{name}, log-probabilities", adapted_scores, ours)
        compare(f"{name}, logits against the merged folder's", adapted_logits, logits)


def main():
    check_llama()
    check_roberta()
    finesift("train", "demo", "--run", "run", "--device", "cpu", "--headless", "--set", "train.max_steps=8",
             "--set", "train.eval_every=8", "--set", "sift.biases=false", "--set", "train.warmup=0")
    for form in ["merged", "shira", "delta"]:
        finesift("export", "run", "--to", form, "--out", form if form != "delta" else "delta.safetensors")
    finesift("apply", "delta.safetensors", "--out", "by-delta")
    for file in Path("merged").iterdir():
        assert file.read_bytes() == Path("by-delta", file.name).read_bytes(), f"{file.name} differs by delta"
    print("delta + base: bitwise equal to merged")

    finesift("export", "run", "--to", "tensorboard", "--out", "board")
    board = EventAccumulator("board").Reload()
    # Not splitlines: it also breaks at U+2028, which texts may contain.
    steps = [json.loads(line) for line in Path("runs/run/events.jsonl").open(encoding="utf-8", newline="\n")]
    logged = [(step["step"], step["loss"]) for step in steps if step["event"] == "step"]
    read = [(scalar.step, scalar.value) for scalar in board.Scalars("train/loss")]
    assert len(read) == 8 and all(a == c and abs(b - d) < 1e-6 for (a, b), (c, d) in zip(logged, read)), (logged, read)
    print("tensorboard: read the losses of", len(read), "steps and", sorted(board.Tags()["scalars"]))

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
    assert plain > 100 * TOLERANCE, f"training changed almost nothing ({plain}), so the comparisons prove nothing"
    adapted = PeftModel.from_pretrained(load(base), "shira").eval()
    compare("PEFT with the SHiRA adapter", logits(adapted, tokenizer), ours)
    compare("PEFT, merged and unloaded", logits(adapted.merge_and_unload(), tokenizer), ours)


if __name__ == "__main__":
    PROGRAM = str(Path(sys.argv[1]).resolve())
    with tempfile.TemporaryDirectory() as folder:
        os.chdir(folder)
        main()
