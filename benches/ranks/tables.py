"""The tables of docs/scaling.md that follow from shapes, datasheets and step times measured on one GPU."""
from typing import NamedTuple

from .arithmetic import (full_slots, models, ring_share, sift_slots, step_bytes, targets_components, trained)
from .simulation import (ETHERNET_1, ETHERNET_25, GLOO, GPUS, HOSTS, NDR, NVLINK, Compute, Work, mean_step, weights)

PROBE_EVERY = 10

# Bytes of a component of the gradient: those of weights in bf16, or of fp32.
ELEMENT = {"MiniLM": 4, "RoBERTa-large": 2, "SmolLM2-135M": 4, "Llama-7B": 2, "Llama-3-8B": 2}

# What clipping and AdamW read and write of each trained component, and the bytes per second of an H100 that they are assumed to reach.
UPDATE_BYTES, UPDATE_RATE = 36, 2.5e12


GIGABIT = HOSTS._replace(inner=ETHERNET_1)


class Measured(NamedTuple):
    """A step on one H100, docs/performance.md."""
    model: str
    what: str
    rate: float
    step: float
    forward: float


ROBERTA = Measured("RoBERTa-large", "32x128, 0.8 %", 0.008, 0.0393, 0.0065)
LLAMA = Measured("Llama-7B", "1x2048, 5 %", 0.05, 0.2189, 0.061)
LLAMA_CHECKPOINTING = Measured("Llama-7B", "1x2048, 5 %, checkpointing", 0.05, 0.2783, 0.061)
LLAMA_LOW = Measured("Llama-7B", "1x2048, 1 %, checkpointing", 0.01, 0.2585, 0.061)
LLAMA_3 = Measured("Llama-3-8B", "2x4096, 1 %, checkpointing", 0.01, 1.060, 0.2666)

# Of RoBERTa-large in bf16 by rows of 128 tokens: step and forward pass.
ROBERTA_ROWS = {8: (0.0441, 0.0060), 32: (0.0393, 0.0065), 128: (0.0664, 0.0218)}


def digits(value):
    return f"{value:.2f}" if value < 9.995 else f"{value:.1f}" if value < 99.95 else f"{value:.0f}"


def scaled(value, units):
    for unit, size in units:
        if value >= 0.9995 * size:
            return f"{digits(value / size)} {unit}"
    return f"{value / units[-1][1]:.0f} {units[-1][0]}"


def size(value):
    return scaled(value, (("TB", 1e12), ("GB", 1e9), ("MB", 1e6), ("KB", 1e3), ("B", 1)))


def seconds(value):
    return scaled(value, (("s", 1), ("ms", 1e-3), ("µs", 1e-6)))


def percent(value):
    return f"{100 * value:.0f} %" if value >= 0.0995 else f"{100 * value:.1f} %"


def table(head, rows):
    lines = [head, ["---"] * len(head), *rows]
    return ["| " + " | ".join(line) + " |" for line in lines]


def bytes_tables():
    """What is summed in a step, what a ring sends, and what train.shard gathers."""
    rows, sent = [], []
    for model in models().values():
        element, full = ELEMENT[model.name], trained(full_slots(model))
        for rate in (0.01, 0.05):
            slots = sift_slots(model, rate)
            count, targets = trained(slots), targets_components(slots)
            rows.append([
                f"{model.name}, {100 * rate:.0f} %", f"{count:,}", size(4 * count), size(2 * count),
                size(element * targets / PROBE_EVERY), size((8 if element == 4 else 4) * targets), size(element * full),
                percent(count / full),
            ])
            sent.append([f"{model.name}, {100 * rate:.0f} %", *(size(ring_share(n) * element * count) for n in (2, 4, 8, 64, 1024))])
        sent.append([f"{model.name}, full", *(size(ring_share(n) * element * full) for n in (2, 4, 8, 64, 1024))])
    gathered = []
    for name in ("RoBERTa-large", "Llama-7B", "Llama-3-8B"):
        held = 2 * models()[name].block_weights
        gathered.append([name, size(held), size(held / 8), size(held / 64), *(size(ring_share(n) * held) for n in (8, 64, 1024))])
    return (
        table(["", "trained", "gradient, fp32", "gradient, bf16", "probes per step", "selection, once", "full fine-tuning",
               "trained / full"], rows),
        table(["sent per rank and step", "2 ranks", "4", "8", "64", "1024"], sent),
        table(["train.shard, bf16", "weights of blocks", "held of 8 ranks", "of 64", "received, 8 ranks", "64", "1024"], gathered),
    )


def links_tables():
    """The links, and how long a step's sums take on each."""
    links = [[link.name, size(link.bandwidth) + "/s", percent(link.efficiency), seconds(link.latency)]
             for link in (NVLINK, NDR, ETHERNET_25, ETHERNET_1, GLOO)]
    rows = []

    def row(name, what, components, element):
        networks = ((GPUS, 8, element), (GPUS, 64, element), (HOSTS, 8, 4), (GIGABIT, 8, 4))
        rows.append([f"{name}, {what}", *(seconds(network.all_reduce(sent * components, n)) for network, n, sent in networks)])

    for model in models().values():
        element = ELEMENT[model.name]
        for rate in (0.01, 0.05):
            row(model.name, f"{100 * rate:.0f} %", trained(sift_slots(model, rate)), element)
        row(model.name, "probes", targets_components(sift_slots(model, 0.01)) / PROBE_EVERY, element)
        row(model.name, "full", trained(full_slots(model)), element)
    return (
        table(["link", "per direction", "assumed to arrive", "assumed latency"], links),
        table(["sum of", "8 GPUs, NVLink", "64 GPUs, NVLink and NDR", "8 ranks, Gloo on a host or 25 GbE", "Gloo on 1 GbE"], rows),
    )


def compute_of(measured, slots):
    """A measured step in its parts: the backward pass, recomputed blocks included, is what the others leave."""
    update = UPDATE_BYTES * trained(slots) / UPDATE_RATE
    backward = measured.step - measured.forward - update
    return Compute(measured.forward, backward, update, weights(models()[measured.model]))


def efficiencies(measured, probe_every, network, shard=False, full=False):
    """Of 8, 64 and 1024 GPUs with a batch each."""
    model = models()[measured.model]
    slots = sift_slots(model, measured.rate)
    compute = compute_of(measured, slots)
    if full:
        slots = full_slots(model)
    gathered = 2 * model.block_weights / model.blocks if shard else 0
    for ranks in (8, 64, 1024):
        work = Work(slots, 2, 2 if network is GPUS else 4, probe_every, network, ranks, gathered=gathered)
        yield percent(compute.alone / mean_step(compute, work)[0])


def predict_tables():
    """Weak scaling, then strong."""
    weak = []
    for measured, shards in ((ROBERTA, (False,)), (LLAMA, (False,)), (LLAMA_CHECKPOINTING, (False, True)), (LLAMA_LOW, (False, True)),
                             (LLAMA_3, (False, True))):
        for shard in shards:
            for probe_every in (10, 100):
                name = f"{measured.model} {measured.what}" + (", train.shard" if shard else "")
                weak.append([name, str(probe_every), f"{measured.step:.4g} s",
                             *efficiencies(measured, probe_every, GPUS, shard), *efficiencies(measured, probe_every, HOSTS, shard)])
    for measured in (ROBERTA, LLAMA):
        weak.append([f"{measured.model} {measured.what.split(',')[0]}, full gradient in the same time", "–", f"{measured.step:.4g} s",
                     *efficiencies(measured, 1, GPUS, full=True), *efficiencies(measured, 1, HOSTS, full=True)])
    head = ["", "probe_every", "1 GPU", "8 GPUs", "64", "1024", "8, Gloo", "64, Gloo", "1024, Gloo"]
    return (table(head, weak), table(["", "GPUs", "per GPU", "s/step", "speed-up", "efficiency", "efficiency, Gloo"],
                                     [*strong_roberta(), *strong_llama()]))


def interpolated(rows):
    """Step and forward pass of RoBERTa-large for so many rows: between measured ones linear, below the fewest constant."""
    known = sorted(ROBERTA_ROWS)
    rows = max(rows, known[0])
    low = max(row for row in known if row <= rows)
    high = min(row for row in known if row >= rows)
    share = (rows - low) / (high - low) if high > low else 0.0
    return tuple(a + share * (b - a) for a, b in zip(ROBERTA_ROWS[low], ROBERTA_ROWS[high]))


def strong_roberta():
    slots, total = sift_slots(models()["RoBERTa-large"], ROBERTA.rate), 128
    alone = interpolated(total)[0]
    for ranks in (1, 2, 4, 8, 64):
        step, forward = interpolated(total / ranks)
        compute = compute_of(ROBERTA._replace(step=step, forward=forward), slots)
        times = [mean_step(compute, Work(slots, 2, sent, 100, network, ranks))[0] for network, sent in ((GPUS, 2), (HOSTS, 4))]
        yield strong_row(f"RoBERTa-large 0.8 %, {total} rows of 128 a step", ranks, f"{total // ranks} rows", alone, times)


def strong_llama():
    slots, total = sift_slots(models()["Llama-7B"], LLAMA.rate), 1024
    compute = compute_of(LLAMA, slots)
    alone = total * (compute.forward + compute.backward) + compute.update
    for ranks in (1, 8, 64, 1024):
        micro_batches = total // ranks
        # Micro-batches are accumulated in fp32.
        element = 2 if micro_batches == 1 else 4
        times = [mean_step(compute, Work(slots, element, sent, 100, network, ranks, micro_batches))[0]
                 for network, sent in ((GPUS, element), (HOSTS, 4))]
        yield strong_row(f"Llama-7B 5 %, {total} rows of 2048 a step", ranks, f"{micro_batches} micro-batch{'es' if micro_batches > 1 else ''} of 1 row", alone, times)


def strong_row(name, ranks, share, alone, times):
    on_gpus, by_gloo = times
    return [name, str(ranks), share, digits(on_gpus) if on_gpus >= 1 else f"{on_gpus:.4f}", digits(alone / on_gpus),
            percent(alone / ranks / on_gpus), percent(alone / ranks / by_gloo)]


TABLES = {"bytes": bytes_tables, "links": links_tables, "predict": predict_tables}
