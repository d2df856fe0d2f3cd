#!/usr/bin/env python3
"""Benchmarks steps of PyTorch and PEFT on a GPU for any config.json, with random weights and tokens, to compare with `finesift bench`.

methods: forward, full (AdamW with fp32 master weights and moments if the model is bf16) and lora-R, each in its own process, with
what follows a plus:
  +compile   torch.compile, and AdamW's fused kernel
  +flash     attention by FlashAttention alone (torch's scaled_dot_product_attention otherwise chooses); bf16 only
An example: lora-8,lora-8+compile,lora-8+compile+flash
"""
import argparse
import contextlib
import json
import statistics
import subprocess
import sys
import time


def one(options):
    import torch
    import transformers

    method, *variants = options.method.split("+")
    unknown = set(variants) - {"compile", "flash"}
    if unknown:
        sys.exit(f"unknown variants {', '.join(sorted(unknown))}: expected compile or flash")
    device = torch.device(options.device)
    config = json.load(open(options.config))
    if options.layers:
        config["num_hidden_layers"] = options.layers
    decoder = config["model_type"] not in ("bert", "roberta")
    config = transformers.AutoConfig.for_model(**config)
    kind = {"f32": torch.float32, "bf16": torch.bfloat16}[options.dtype]
    torch.manual_seed(0)
    auto = transformers.AutoModelForCausalLM if decoder else transformers.AutoModelForSequenceClassification
    with device:
        network = auto.from_config(config, dtype=kind, attn_implementation="sdpa")
    network.config.use_cache = False
    modules = ["q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"]
    modules = modules if decoder else ["query", "key", "value", "attention.output.dense"]
    if options.checkpointing:
        network.gradient_checkpointing_enable(gradient_checkpointing_kwargs={"use_reentrant": False})
    if method.startswith("lora-"):
        import peft

        rank = int(method.removeprefix("lora-"))
        network = peft.get_peft_model(network, peft.LoraConfig(
            r=rank, lora_alpha=2 * rank, target_modules=modules, task_type="CAUSAL_LM" if decoder else "SEQ_CLS",
            modules_to_save=None if decoder else ["classifier"]))
        if options.checkpointing:
            network.enable_input_require_grads()
    elif method not in ("forward", "full"):
        sys.exit(f"unknown method {method}: expected forward, full or lora-R")
    trained = [parameter for parameter in network.parameters() if parameter.requires_grad]
    masters = [parameter.detach().float().requires_grad_() for parameter in trained] if kind != torch.float32 else trained
    optimizer = None
    if method != "forward":
        network.train()
        optimizer = torch.optim.AdamW(masters, lr=1e-5, fused="compile" in variants or None)
    else:
        network.eval()
    run = torch.compile(network) if "compile" in variants else network
    tokens = torch.randint(3, config.vocab_size, (8, options.batch, options.seq), device=device)
    labels = tokens if decoder else torch.randint(0, 2, (8, options.batch), device=device)

    def attention():
        if "flash" not in variants:
            return contextlib.nullcontext()
        return torch.nn.attention.sdpa_kernel(torch.nn.attention.SDPBackend.FLASH_ATTENTION)

    def step(number):
        batch = {"input_ids": tokens[number % 8], "labels": labels[number % 8]}
        if not optimizer:
            with torch.no_grad(), attention():
                return run(**batch).loss.item()
        with attention():
            loss = run(**batch).loss
            loss.backward()
        if masters is not trained:
            for master, parameter in zip(masters, trained):
                master.grad, parameter.grad = parameter.grad.float(), None
        optimizer.step()
        optimizer.zero_grad()
        if masters is not trained:
            with torch.no_grad():
                for master, parameter in zip(masters, trained):
                    parameter.copy_(master)
        return loss.item()

    start = time.perf_counter()
    for number in range(2):
        step(number)
    # With torch.compile, nearly all of it is compiling.
    warm_up = time.perf_counter() - start
    seconds = []
    for number in range(2, 2 + options.steps):
        start = time.perf_counter()
        step(number)
        seconds.append(time.perf_counter() - start)
    memory = torch.cuda if device.type == "cuda" else None
    print(json.dumps({"trained": sum(parameter.numel() for parameter in trained), "seconds": seconds, "warm_up": warm_up,
                      "reserved": memory.max_memory_reserved() if memory else None,
                      "allocated": memory.max_memory_allocated() if memory else None}))


def measure(method, options):
    """What a process of this method prints; `failed` says why it prints nothing."""
    try:
        done = subprocess.run([sys.executable, *sys.argv, "--method", method], capture_output=True, text=True, timeout=options.limit)
    except subprocess.TimeoutExpired:
        return {"method": method, "failed": f"it took more than {options.limit} s"}
    if done.returncode != 0:
        lines = done.stderr.strip().splitlines()
        return {"method": method, "failed": lines[-1] if lines else f"ended with status {done.returncode}"}
    result = {"method": method, **json.loads(done.stdout.strip().splitlines()[-1]), "failed": None}
    median = statistics.median(result["seconds"])
    return {**result, "median": median, "least": min(result["seconds"]), "tokens_per_second": options.batch * options.seq / median}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--config", required=True)
    parser.add_argument("--layers", type=int)
    parser.add_argument("--dtype", choices=["f32", "bf16"], default="f32")
    parser.add_argument("--batch", type=int, default=1)
    parser.add_argument("--seq", type=int, default=128)
    parser.add_argument("--steps", type=int, default=5)
    parser.add_argument("--device", default="cuda:0")
    parser.add_argument("--checkpointing", action="store_true")
    parser.add_argument("--methods", type=lambda text: text.split(","), default=["lora-8"])
    parser.add_argument("--limit", type=float, help="seconds after which a method's process is ended")
    parser.add_argument("--json", action="store_true", help="print each method as a line of JSON")
    parser.add_argument("--method", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.method:
        return one(options)
    if not options.json:
        print(f"{'peer':22} {'trained':>14} {'s/step':>10} {'min':>10} {'tokens/s':>11} {'warm-up':>9} {'peak':>11} {'reserved':>11}")
    failed = False
    for method in options.methods:
        result = measure(method, options)
        failed |= bool(result["failed"])
        if options.json:
            print(json.dumps(result), flush=True)
        elif result["failed"]:
            print(f"{method:22} {result['failed']}", flush=True)
        else:
            size = lambda bytes: f"{bytes / 2**30:.2f} GiB" if bytes is not None else "-"
            print(f"{method:22} {result['trained']:14,} {result['median']:10.4f} {result['least']:10.4f} {result['tokens_per_second']:11.0f} "
                  f"{result['warm_up']:7.1f} s {size(result['allocated']):>11} {size(result['reserved']):>11}", flush=True)
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()
