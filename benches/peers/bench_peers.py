#!/usr/bin/env python3
"""Benchmarks training steps of finesift, PyTorch and PEFT on the same batches and machine, interleaved.

usage:
  bench_peers.py batches FILE             write the batches, from the demos' models and texts
  bench_peers.py all [options]            measure; every method in its own process, repeats interleaved (A B C A B C)
      --finesift PATH                     the program (target/release/finesift)
      --batches FILE                      existing batches; by default they are written first
      -r N, -n N                          repeats (5), timed steps in each (3)
      -m minilm|smollm2|both              model (both)
      --only A,B                          only these methods
      -o FILE                             every sample, as JSON (target/peers/peers.json)
  bench_peers.py table [FILE]             print the tables again
  bench_peers.py one MODEL METHOD N FILE  one method in this process; prints a line of JSON
  bench_peers.py oracle [--finesift PATH] [--batches FILE] [-m …]
                                          compare finesift's losses with plain dense torch (oracle.py)

MODEL   minilm: 32 x 128, two classes, dropout 0; smollm2: 4 x 256, next-token loss on all tokens
METHOD  forward, full, lora (r = 8 on SIFT's target modules), lora_attention (smollm2: attention only), shira; and
        finesift:forward, finesift:full, finesift:sift-dense, finesift:sift-sampled; only if named by --only: finesift:lora,
        finesift:sift-columns, finesift:sift-rows, finesift:sift-blocks
SIFT trains 0.8 % of MiniLM's four attention matrices and 5 % of all seven projections of SmolLM2. A step is zero_grad, forward,
backward, optimizer.step; the first two steps of each process are not timed. Every method trains MiniLM's classifier.

base: resident memory before the model is loaded; steps: peak resident memory during timed steps (VmHWM, reset by writing 5 to
/proc/self/clear_refs); faults: median minor page faults of a step. PEER_THREADS: number of threads (2). PEER_DEVICE: cpu or cuda. PEER_SIFT: path of a Python module with the
authors' class SIFT, for the method sift_authors.
"""
import argparse
import contextlib
import gc
import importlib.util
import io
import json
import os
import random
import resource
import statistics
import subprocess
import sys
import time
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent.parent
CACHE = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "finesift"
MODELS = {"minilm": CACHE / "demo/minilm", "smollm2": CACHE / "demo-chat/smollm2"}
TARGETS = {
    "minilm": ["query", "key", "value", "attention.output.dense"],
    "smollm2": ["q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"],
}
RATES = {"minilm": 0.008, "smollm2": 0.05}
LEARNING_RATES = {"minilm": 7e-5, "smollm2": 2e-5}
METHODS = {
    "minilm": ["forward", "full", "lora", "shira", "sift_authors"],
    "smollm2": ["forward", "full", "lora_attention", "lora", "shira", "sift_authors"],
}
OURS = ["finesift:forward", "finesift:full", "finesift:sift-dense", "finesift:sift-sampled"]
OURS_IF_NAMED = ["finesift:lora", "finesift:sift-columns", "finesift:sift-rows", "finesift:sift-blocks"]
THREADS = int(os.environ.get("PEER_THREADS", "2"))
DEVICE = os.environ.get("PEER_DEVICE", "cpu")
WARM_UP, BATCHES = 2, 8


def write_batches(path):
    """Eight batches per model: sentence pairs for MiniLM, the concatenated sentences for SmolLM2."""
    import torch
    from safetensors.torch import save_file
    from transformers import AutoTokenizer

    rows = [json.loads(line) for line in open(CACHE / "demo/sentences.jsonl", encoding="utf-8")]
    # A fixed generator, so that the batches are the same everywhere.
    random.Random(0).shuffle(rows)
    tokenizer = AutoTokenizer.from_pretrained(MODELS["minilm"])
    pairs = [(" ".join(row["text"] for row in rows[i : i + 3]), rows[i + 3]["text"]) for i in range(0, 256 * 4, 4)]
    labels = [int(rows[i]["label"] == "positive") for i in range(0, 256 * 4, 4)]
    encoded = tokenizer(
        [pair[0] for pair in pairs], [pair[1] for pair in pairs],
        padding="max_length", truncation=True, max_length=128, return_tensors="pt",
    )
    tensors = {f"minilm.{name}": ids.reshape(BATCHES, 32, 128).contiguous() for name, ids in encoded.items()}
    tensors["minilm.labels"] = torch.tensor(labels).reshape(BATCHES, 32)
    if MODELS["smollm2"].is_dir():
        tokenizer = AutoTokenizer.from_pretrained(MODELS["smollm2"])
        ids = tokenizer("\n".join(row["text"] for row in rows), verbose=False)["input_ids"][: BATCHES * 4 * 256]
        tensors["smollm2.input_ids"] = torch.tensor(ids).reshape(BATCHES, 4, 256)
    path.parent.mkdir(parents=True, exist_ok=True)
    save_file(tensors, path)
    print(f"{path}: {tensors['minilm.attention_mask'].sum().item() / 256:.0f} of 128 tokens are not padding")


def load(model, file):
    """Returns the model without dropout, and its batches."""
    import torch
    import transformers
    from safetensors.torch import load_file

    transformers.logging.set_verbosity_error()
    transformers.logging.disable_progress_bar()
    tensors = load_file(file)
    if model == "minilm":
        keys = ("input_ids", "attention_mask", "token_type_ids", "labels")
        batches = [{key: tensors[f"minilm.{key}"][i] for key in keys} for i in range(BATCHES)]
        network = transformers.AutoModelForSequenceClassification.from_pretrained(
            MODELS[model], num_labels=2, dtype=torch.float32,
            hidden_dropout_prob=0.0, attention_probs_dropout_prob=0.0, classifier_dropout=0.0,
        )
    else:
        batches = [{"input_ids": ids, "labels": ids} for ids in tensors["smollm2.input_ids"]]
        network = transformers.AutoModelForCausalLM.from_pretrained(MODELS[model], dtype=torch.float32)
        network.config.use_cache = False
    network.to(DEVICE)
    return network, [{key: value.to(DEVICE) for key, value in batch.items()} for batch in batches]


def one(model, method, steps, file):
    import warnings

    warnings.filterwarnings("ignore")
    import peft
    import torch

    torch.set_num_threads(THREADS)
    torch.manual_seed(0)
    random.seed(0)
    gc.collect()
    base = resident("VmRSS")
    network, batches = load(model, file)
    loaded = resident("VmRSS")
    task, head = ("SEQ_CLS", ["classifier"]) if model == "minilm" else ("CAUSAL_LM", None)
    targets, parameters = TARGETS[model], None
    if method.startswith("lora"):
        targets = targets[:4] if method == "lora_attention" else targets
        network = peft.get_peft_model(network, peft.LoraConfig(
            r=8, lora_alpha=16, lora_dropout=0.0, target_modules=targets, task_type=task, modules_to_save=head))
    elif method == "shira":
        network = peft.get_peft_model(network, peft.ShiraConfig(
            r=2 if model == "minilm" else 17, target_modules=targets, task_type=task, modules_to_save=head, random_seed=0))
    elif method == "sift_authors":
        spec = importlib.util.spec_from_file_location("sift_authors", os.environ["PEER_SIFT"])
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        parameters = list(module.SIFT(network, RATES[model], targets, head or [], grad_acc=1).parameters_in_optimizer())
    parameters = parameters or [parameter for parameter in network.parameters() if parameter.requires_grad]
    optimizer = None
    if method == "forward":
        network.eval()
        parameters = []
    else:
        network.train()
        optimizer = torch.optim.AdamW(parameters, lr=LEARNING_RATES[model], weight_decay=0.01)

    def step(number):
        batch = batches[number % BATCHES]
        if not optimizer:
            with torch.no_grad():
                return network(**batch).loss.item()
        optimizer.zero_grad()
        loss = network(**batch).loss
        loss.backward()
        optimizer.step()
        # Synchronizes with a GPU.
        return loss.item()

    losses, seconds, faults = [], [], []
    with contextlib.redirect_stdout(io.StringIO()):
        losses += [step(number) for number in range(WARM_UP)]
        gc.collect()
        with contextlib.suppress(OSError):
            Path("/proc/self/clear_refs").write_text("5")
        if DEVICE != "cpu":
            torch.cuda.reset_peak_memory_stats()
        for number in range(WARM_UP, WARM_UP + steps):
            start, before = time.perf_counter(), minor_faults()
            losses.append(step(number))
            seconds.append(time.perf_counter() - start)
            faults.append(minor_faults() - before)
    peak = resident("VmHWM") if DEVICE == "cpu" else torch.cuda.max_memory_allocated()
    print(json.dumps({
        "method": method, "trained": sum(parameter.numel() for parameter in parameters), "seconds": seconds,
        "base": base, "loaded": loaded, "steps_peak": peak, "losses": losses,
        "minor_faults": statistics.median(faults),
        "torch": torch.__version__, "peft": peft.__version__,
    }))


def minor_faults():
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt


def resident(field):
    """A field of /proc/self/status, in bytes."""
    for line in open("/proc/self/status"):
        if line.startswith(field + ":"):
            return int(line.split()[1]) * 1024
    return None


def finesift(program, model, method, steps, file, more=()):
    command = [
        program, "bench", "--model", MODELS[model], "--batches", file, "--prefix", model, "--threads", THREADS,
        "--methods", method, "--steps", steps, "--rate", RATES[model], "--learning-rate", LEARNING_RATES[model],
        "--clip", 0, "--device", "cpu" if DEVICE == "cpu" else "cuda:0", "--json", *more,
    ]
    return [str(part) for part in command]


def measure(options):
    results = []
    for repeat in range(options.repeats):
        for model in chosen(options.model):
            ours = OURS + [name for name in OURS_IF_NAMED if options.only and name in options.only]
            names = METHODS[model] + ours
            # Each repeat starts with another method, so that none always follows the same one.
            for name in names[repeat % len(names) :] + names[: repeat % len(names)]:
                if (options.only and name not in options.only) or (name == "sift_authors" and "PEER_SIFT" not in os.environ):
                    continue
                command = (
                    finesift(options.finesift, model, name.removeprefix("finesift:"), options.steps, options.batches)
                    if name in ours
                    else [sys.executable, __file__, "one", model, name, str(options.steps), str(options.batches)]
                )
                done = subprocess.run(command, capture_output=True, text=True)
                if done.returncode != 0:
                    sys.exit(f"{model} {name} failed:\n{done.stdout[-2000:]}{done.stderr[-2000:]}")
                result = json.loads(done.stdout.strip().splitlines()[-1])
                results.append({**result, "model": model, "method": name, "repeat": repeat})
                median = statistics.median(result["seconds"])
                print(f"{repeat + 1}/{options.repeats} {model} {name}: {median:.3f} s/step", file=sys.stderr, flush=True)
                options.out.parent.mkdir(parents=True, exist_ok=True)
                options.out.write_text(json.dumps(results))
    table(options.out)


def table(path):
    results = json.loads(Path(path).read_text())
    for model in METHODS:
        rows = {}
        for result in (result for result in results if result["model"] == model):
            rows.setdefault(result["method"], []).append(result)
        if not rows:
            continue
        median = {name: statistics.median(second for run in runs for second in run["seconds"]) for name, runs in rows.items()}
        print(f"\n{model}: {len(next(iter(rows.values())))} repeats")
        print(f"{'method':22} {'trained':>12} {'s/step':>8} {'min':>8} {'x lora':>7} {'steps MiB':>10} {'above base':>11} {'base MiB':>9} {'faults':>9}")
        for name, runs in rows.items():
            def megabytes(key):
                return statistics.median((run[key] or 0) for run in runs) / 2**20
            faults = statistics.median((run.get("minor_faults") or 0) for run in runs)
            least = min(second for run in runs for second in run["seconds"])
            ratio = median[name] / median["lora"] if "lora" in median else float("nan")
            print(f"{name:22} {runs[0]['trained']:12,} {median[name]:8.3f} {least:8.3f} {ratio:7.2f} {megabytes('steps_peak'):10.0f} "
                  f"{megabytes('steps_peak') - megabytes('base'):11.0f} {megabytes('base'):9.0f} {faults:9,.0f}")


def oracle(options):
    """Compares the losses of finesift's steps with SIFT in plain dense torch."""
    import torch
    from oracle import Sift

    torch.set_num_threads(THREADS)
    worst = 0.0
    for model in chosen(options.model):
        # finesift draws a new head by itself, so it is given one that both have.
        with headed(model, options.batches) as (folder, network, batches):
            MODELS[model] = folder
            done = subprocess.run(
                finesift(options.finesift, model, "sift-sampled", options.steps, options.batches), capture_output=True, text=True)
            if done.returncode != 0:
                sys.exit(f"{model}: finesift failed:\n{done.stdout[-2000:]}{done.stderr[-2000:]}")
            ours = json.loads(done.stdout.splitlines()[-1])["losses"]
            sift = Sift(network.train(), RATES[model], TARGETS[model], ["classifier"] if model == "minilm" else [])
            sift.select(batches[0])
            theirs = [sift.step(batches[number % BATCHES], LEARNING_RATES[model]) for number in range(len(ours))]
        for number, (a, b) in enumerate(zip(ours, theirs), 1):
            worst = max(worst, abs(a / b - 1))
            print(f"{model} step {number}: finesift {a:.6f}, oracle {b:.6f}, relative difference {abs(a / b - 1):.1e}")
    print(f"largest relative difference {worst:.1e}, tolerance {TOLERANCE:.0e}")
    if worst > TOLERANCE:
        sys.exit("the losses differ from the oracle's")


# fp32 with another order of summation, over several steps.
TOLERANCE = 1e-5


@contextlib.contextmanager
def headed(model, file):
    import tempfile

    import torch

    torch.manual_seed(0)
    network, batches = load(model, file)
    with tempfile.TemporaryDirectory() as folder:
        network.save_pretrained(folder)
        for name in ("tokenizer.json", "tokenizer_config.json"):
            (Path(folder) / name).write_bytes((MODELS[model] / name).read_bytes())
        yield folder, network, batches


def chosen(model):
    return [name for name in METHODS if model in ("both", name)]


def main():
    arguments = sys.argv[1:]
    if not arguments or arguments[0] in ("-h", "--help"):
        print(__doc__)
        return
    what, rest = arguments[0], arguments[1:]
    if what == "batches":
        return write_batches(Path(rest[0]))
    if what == "one":
        return one(rest[0], rest[1], int(rest[2]), rest[3])
    default = ROOT / "target/peers/peers.json"
    if what == "table":
        return table(rest[0] if rest else default)
    parser = argparse.ArgumentParser(usage=__doc__)
    parser.add_argument("--finesift", type=Path, default=ROOT / "target/release/finesift")
    parser.add_argument("--batches", type=Path, default=os.environ.get("PEER_BATCHES"))
    parser.add_argument("-r", dest="repeats", type=int, default=5)
    parser.add_argument("-n", dest="steps", type=int, default=3)
    parser.add_argument("-m", dest="model", choices=[*METHODS, "both"], default="both")
    parser.add_argument("--only", type=lambda text: text.split(","))
    parser.add_argument("-o", dest="out", type=Path, default=default)
    options = parser.parse_args(rest)
    for model in chosen(options.model):
        if not MODELS[model].is_dir():
            sys.exit(f"{MODELS[model]}: no such folder; `python3 scripts/setup.py demo demo-chat` downloads the models")
    if not options.batches:
        options.batches = ROOT / "target/peers/batches.safetensors"
        write_batches(options.batches)
    if what == "all":
        return measure(options)
    if what == "oracle":
        return oracle(options)
    sys.exit(f"unknown command {what}; expected batches, all, table, one or oracle")


if __name__ == "__main__":
    main()
