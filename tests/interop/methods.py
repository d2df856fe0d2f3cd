"""LoRA and full fine-tuning beside PEFT and PyTorch: losses of the same steps, and adapters that PEFT loads.

usage: methods.py [--check | FINESIFT]

Without arguments, records the losses of 20 steps with torch and PEFT on tiny models as a fixture of the tests. With --check,
compares the recorded ones with those of now. With a program, trains from its initial adapters in PEFT, and loads its exports."""

import json
import os
import sys
import tempfile
from pathlib import Path

os.environ["HF_HUB_OFFLINE"] = "1"

import torch
from peft import LoraConfig, PeftModel, get_peft_model
from safetensors.torch import load_file, save_file
from transformers import AutoModelForCausalLM, AutoModelForSequenceClassification, AutoTokenizer

import check

MODELS = Path(__file__).resolve().parent.parent / "fixtures/models"
STEPS, RATE, DECAY = 20, 2e-3, 0.1
# The scale, 6 / 4, is no power of two.
RANK, ALPHA = 4, 6
TARGETS = {
    "tiny-bert": (AutoModelForSequenceClassification, ["query", "key", "value", "attention.output.dense"], ["classifier"]),
    "tiny-llama-tied": (AutoModelForCausalLM, ["q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"], None),
}
PREFIX = "base_model.model."


def train(model, batch, rate=RATE, decay=DECAY, steps=STEPS):
    """Losses of AdamW at a constant rate, with gradients clipped to 1, on the same batch. Biases and norms do not decay."""
    trained = [parameter for parameter in model.parameters() if parameter.requires_grad]
    groups = [{"params": [p for p in trained if p.dim() > 1], "weight_decay": decay},
              {"params": [p for p in trained if p.dim() == 1], "weight_decay": 0.0}]
    optimizer, losses = torch.optim.AdamW(groups, lr=rate), []
    for _ in range(steps):
        loss = model(**batch).loss
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(trained, 1.0)
        optimizer.step()
        losses.append(loss.item())
    return losses


def adapter(model):
    """The adapters' tensors by their names in the model, without those of modules_to_save."""
    return {name.removeprefix(PREFIX).replace(".default", ""): parameter.detach().clone()
            for name, parameter in model.named_parameters() if "lora_" in name}


def record(check_only):
    for name, (auto, targets, saved) in TARGETS.items():
        folder = MODELS / name
        batch = {key: value for key, value in load_file(folder / "io.safetensors").items()
                 if key in ("input_ids", "attention_mask", "token_type_ids", "labels")}
        load = lambda: auto.from_pretrained(folder, dtype=torch.float32)
        torch.manual_seed(7)
        tuned = get_peft_model(load(), LoraConfig(r=RANK, lora_alpha=ALPHA, lora_dropout=0.0, target_modules=targets,
                                                  modules_to_save=saved))
        initial, path = adapter(tuned), folder / "methods.safetensors"
        if check_only:
            initial = load_file(path)
            parameters = dict(tuned.named_parameters())
            for key, value in initial.items():
                parameters[PREFIX + key.replace(".weight", ".default.weight")].data.copy_(value)
        else:
            save_file(initial, path, metadata={"format": "pt"})
        found = {"r": RANK, "alpha": ALPHA, "target_modules": targets, "rate": RATE, "decay": DECAY,
                 "lora": train(tuned, batch), "full": train(load(), batch)}
        text = folder / "methods.json"
        if not check_only:
            text.write_text(json.dumps(found) + "\n")
        recorded = json.loads(text.read_text())
        off = max(abs(a - b) for method in ("lora", "full") for a, b in zip(found[method], recorded[method]))
        assert off < 1e-5, f"{name}: losses differ by {off} from those recorded"
        print(f"{name}: LoRA {found['lora'][0]:.4f} to {found['lora'][-1]:.4f}, full to {found['full'][-1]:.4f}")


def twenty_steps():
    """MiniLM from finesift's own initial adapters and head: 20 steps of both on the same 8 texts."""
    model, demo = Path("minilm"), Path.home() / ".cache/finesift/demo/minilm"
    model.mkdir()
    for file in demo.iterdir():
        if file.name != "config.json":
            (model / file.name).symlink_to(file.resolve())
    config = json.loads((demo / "config.json").read_text())
    # Dropout masks are each library's own.
    (model / "config.json").write_text(json.dumps(config | {"hidden_dropout_prob": 0.0, "attention_probs_dropout_prob": 0.0}))
    texts = [(text, int(number % 2)) for number, text in enumerate(check.TEXTS + ["awful", "I love it", "so-so"])]
    for file in ["texts.jsonl", "held_out.jsonl"]:
        Path(file).write_text("".join(json.dumps({"text": text, "label": ["no", "yes"][label]}) + "\n" for text, label in texts))
    Path("minilm.toml").write_text("""
method = "lora"
[model]
id = "./minilm"
[data]
path = "texts.jsonl"
eval_path = "held_out.jsonl"
labels = ["no", "yes"]
max_length = 64
[sift]
modules = ["query", "key", "value", "attention.output.dense"]
dense = ["classifier"]
[lora]
r = 4
alpha = 6
[train]
epochs = 20
batch = 8
learning_rate = 2e-3
weight_decay = 0.1
warmup = 0
schedule = "constant"
""")
    run = lambda name, *more: check.finesift("train", "minilm.toml", "--run", name, "--device", "cpu", "--headless", *more)
    run("start", "--set", "train.learning_rate=0", "--set", "train.max_steps=1")
    check.finesift("export", "start", "--to", "lora", "--out", "initial")
    run("tuned")
    events = [json.loads(line) for line in Path("runs/tuned/events.jsonl").open(encoding="utf-8", newline="\n")]
    ours = [event["loss"] for event in events if event["event"] == "step"]
    tokenizer = AutoTokenizer.from_pretrained(model)
    batch = tokenizer([text for text, _ in texts], padding=True, truncation=True, max_length=64, return_tensors="pt")
    base = AutoModelForSequenceClassification.from_pretrained(model, num_labels=2, dtype=torch.float32)
    tuned = PeftModel.from_pretrained(base, "initial", is_trainable=True)
    b = [value.abs().max().item() for name, value in adapter(tuned).items() if "lora_B" in name]
    assert len(b) == 24 and max(b) == 0, b
    theirs = train(tuned, batch | {"labels": torch.tensor([label for _, label in texts])}, steps=len(ours))
    off = max(abs(a - b) for a, b in zip(ours, theirs))
    print(f"LoRA: the losses of {len(ours)} steps differ by at most {off:.1e} from PEFT's ({ours[0]:.4f} to {ours[-1]:.4f})")
    assert len(ours) == 20 and off < 1e-4, list(zip(ours, theirs))


def exports(name, load, theirs, ours):
    """Loads the LoRA adapter and the merged folder of a run, whose own results are `ours`."""
    for form in ["lora", "merged"]:
        check.finesift("export", f"runs/{name}", "--to", form, "--out", f"{name}-{form}")
    base = load(json.loads(Path(f"{name}-lora/adapter_config.json").read_text())["base_model_name_or_path"])
    off = (theirs(base) - ours).abs().max().item()
    assert off > 100 * check.TOLERANCE, f"training changed almost nothing ({off}), so the comparisons prove nothing"
    check.compare(f"{name}: transformers on the merged folder", theirs(load(f"{name}-merged")), ours)
    tuned = PeftModel.from_pretrained(base, f"{name}-lora").eval()
    check.compare(f"{name}: PEFT with the adapter", theirs(tuned), ours)
    check.compare(f"{name}: PEFT, merged and unloaded", theirs(tuned.merge_and_unload()), ours)


def programs():
    twenty_steps()
    lora = ["--device", "cpu", "--headless", "--set", "method=lora", "--set", "lora.r=4", "--set", "lora.dropout=0.1"]
    check.finesift("train", "demo", "--run", "bert", *lora, "--set", "train.max_steps=8", "--set", "train.warmup=0")
    Path("texts.jsonl").write_text("".join(json.dumps({"text": text}) + "\n" for text in check.TEXTS))
    predicted = lambda run, data: torch.tensor([json.loads(line)["logits"] for line in check.finesift(
        "predict", run, "--data", data, "--device", "cpu").splitlines()])
    load = lambda folder: AutoModelForSequenceClassification.from_pretrained(folder, num_labels=2, dtype=torch.float32).eval()
    tokenizer = AutoTokenizer.from_pretrained("minilm")
    exports("bert", load, lambda model: check.logits(model, tokenizer), predicted("runs/bert", "texts.jsonl"))

    _, theirs = check.make_roberta()
    check.finesift("train", "roberta.toml", "--run", "roberta", *lora)
    exports("roberta", check.load_roberta, theirs, predicted("runs/roberta", "words.jsonl"))

    _, theirs, log_probabilities = check.make_llama()
    check.finesift("train", "llama.toml", "--run", "llama", *lora)
    load = lambda folder: AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32).eval()
    exports("llama", load, lambda model: theirs(model)[0], log_probabilities("runs/llama"))


if __name__ == "__main__":
    if sys.argv[1:] in ([], ["--check"]):
        record(bool(sys.argv[1:]))
    else:
        check.PROGRAM = str(Path(sys.argv[1]).resolve())
        with tempfile.TemporaryDirectory() as folder:
            os.chdir(folder)
            programs()
