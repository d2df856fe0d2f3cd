#!/usr/bin/env python3
"""Benchmarks steps of PyTorch and PEFT on a GPU for any config.json, with random weights and tokens, to compare with `finesift bench`.

Methods: forward, full (AdamW with fp32 master weights and moments if the model is bf16), lora-R. Each runs in its own process.
"""
import argparse
import json
import statistics
import subprocess
import sys
import time


def one(options):
    import torch
    import transformers

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
    if options.method.startswith("lora-"):
        import peft

        rank = int(options.method.removeprefix("lora-"))
        network = peft.get_peft_model(network, peft.LoraConfig(
            r=rank, lora_alpha=2 * rank, target_modules=modules, task_type="CAUSAL_LM" if decoder else "SEQ_CLS",
            modules_to_save=None if decoder else ["classifier"]))
        if options.checkpointing:
            network.enable_input_require_grads()
    trained = [parameter for parameter in network.parameters() if parameter.requires_grad]
    masters = [parameter.detach().float().requires_grad_() for parameter in trained] if kind != torch.float32 else trained
    optimizer = None
    if options.method != "forward":
        network.train()
        optimizer = torch.optim.AdamW(masters, lr=1e-5)
    else:
        network.eval()
    tokens = torch.randint(3, config.vocab_size, (8, options.batch, options.seq), device=device)
    labels = tokens if decoder else torch.randint(0, 2, (8, options.batch), device=device)

    def step(number):
        batch = {"input_ids": tokens[number % 8], "labels": labels[number % 8]}
        if not optimizer:
            with torch.no_grad():
                return network(**batch).loss.item()
        loss = network(**batch).loss
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

    for number in range(2):
        step(number)
    seconds = []
    for number in range(2, 2 + options.steps):
        start = time.perf_counter()
        step(number)
        seconds.append(time.perf_counter() - start)
    reserved = torch.cuda.max_memory_reserved() if device.type == "cuda" else None
    print(json.dumps({"trained": sum(parameter.numel() for parameter in trained), "seconds": seconds, "reserved": reserved,
                      "allocated": torch.cuda.max_memory_allocated() if device.type == "cuda" else None}))


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--config", required=True)
    parser.add_argument("--layers", type=int)
    parser.add_argument("--dtype", choices=["f32", "bf16"], default="f32")
    parser.add_argument("--batch", type=int, default=1)
    parser.add_argument("--seq", type=int, default=128)
    parser.add_argument("--steps", type=int, default=5)
    parser.add_argument("--device", default="cuda:0")
    parser.add_argument("--checkpointing", action="store_true")
    parser.add_argument("--methods", type=lambda text: text.split(","), default=["lora-8"])
    parser.add_argument("--method", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.method:
        return one(options)
    print(f"{'peer':13} {'trained':>14} {'s/step':>10} {'least':>10} {'tokens/s':>11} {'peak':>11} {'reserved':>11}")
    failed = False
    for method in options.methods:
        done = subprocess.run([sys.executable, *sys.argv, "--method", method], capture_output=True, text=True)
        if done.returncode != 0:
            failed = True
            print(f"{method:13} {done.stderr.strip().splitlines()[-1] if done.stderr.strip() else 'no error message'}")
            continue
        result = json.loads(done.stdout.strip().splitlines()[-1])
        median = statistics.median(result["seconds"])
        size = lambda bytes: f"{bytes / 2**30:.2f} GiB" if bytes is not None else "-"
        print(f"{method:13} {result['trained']:14,} {median:10.4f} {min(result['seconds']):10.4f} "
              f"{options.batch * options.seq / median:11.0f} {size(result['allocated']):>11} {size(result['reserved']):>11}")
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()
