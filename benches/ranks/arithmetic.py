"""What the ranks of a run exchange, from the shapes of a model: components, bytes and buckets, as in src/train/learner/."""
import json
import math
import os
from typing import List, NamedTuple, Tuple

SHAPES = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "shapes")

# Those of src/train/learner/reduction.rs.
LARGEST, SMALLEST, PARTS = 25 << 20, 1 << 20, 8

# Bytes of the loss, which is summed in every step.
LOSS = 4


class Slot(NamedTuple):
    """A parameter that is trained, or a part of it. `segment` counts from the embeddings, 0, over the blocks to the head."""
    name: str
    components: int
    trained: int
    segment: int
    sparse: bool


class Parameter(NamedTuple):
    name: str
    shape: Tuple[int, ...]
    segment: int

    @property
    def components(self):
        return math.prod(self.shape)

    @property
    def is_block_linear(self):
        return len(self.shape) == 2 and self.name.startswith("block")


class Model(NamedTuple):
    name: str
    parameters: List[Parameter]
    blocks: int
    # Parts of the names of targets, and of parameters that are trained densely.
    modules: Tuple[str, ...]
    dense: Tuple[str, ...]
    biases: bool

    @property
    def total(self):
        return sum(parameter.components for parameter in self.parameters)

    @property
    def targets(self):
        return [parameter for parameter in self.parameters
                if any(module in parameter.name for module in self.modules)
                and (self.biases or not parameter.name.endswith("bias"))]

    @property
    def block_weights(self):
        """Components of the blocks' linear weights: what train.shard distributes."""
        return sum(parameter.components for parameter in self.parameters if parameter.is_block_linear)


def encoder(name, config, head):
    """BERT and RoBERTa with a classifier of two labels, whose layers are `head`: names and outputs."""
    hidden, inner, blocks = config["hidden_size"], config["intermediate_size"], config["num_hidden_layers"]
    found = [Parameter(f"embeddings.{of}", (rows, hidden), 0) for of, rows in (
        ("word", config["vocab_size"]), ("position", config["max_position_embeddings"]), ("type", config["type_vocab_size"]))]
    found += norm("embeddings.norm", hidden, 0)
    for block in range(blocks):
        here, segment = f"block.{block}", block + 1
        for layer in ("attention.query", "attention.key", "attention.value", "attention.output.dense"):
            found += linear(f"{here}.{layer}", hidden, hidden, segment)
        found += norm(f"{here}.attention.output.norm", hidden, segment)
        found += linear(f"{here}.intermediate.dense", inner, hidden, segment)
        found += linear(f"{here}.output.dense", hidden, inner, segment)
        found += norm(f"{here}.output.norm", hidden, segment)
    for layer, out in head:
        found += linear(layer, hidden if out is None else out, hidden, blocks + 1)
    return Model(name, found, blocks, ("query", "key", "value", "attention.output.dense"), ("classifier",), True)


def decoder(name, config):
    hidden, inner, blocks = config["hidden_size"], config["intermediate_size"], config["num_hidden_layers"]
    head = hidden // config["num_attention_heads"]
    keys = head * config["num_key_value_heads"]
    found = [Parameter("embeddings.word", (config["vocab_size"], hidden), 0)]
    for block in range(blocks):
        here, segment = f"block.{block}", block + 1
        for layer, out, width in (("q_proj", hidden, hidden), ("k_proj", keys, hidden), ("v_proj", keys, hidden),
                                  ("o_proj", hidden, hidden), ("gate_proj", inner, hidden), ("up_proj", inner, hidden),
                                  ("down_proj", hidden, inner)):
            found.append(Parameter(f"{here}.{layer}.weight", (out, width), segment))
        found += [Parameter(f"{here}.{of}.weight", (hidden,), segment) for of in ("input_norm", "attention_norm")]
    found.append(Parameter("norm.weight", (hidden,), blocks + 1))
    if not config["tie_word_embeddings"]:
        found.append(Parameter("lm_head.weight", (config["vocab_size"], hidden), blocks + 2))
    modules = ("q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj")
    return Model(name, found, blocks, modules, (), False)


def linear(name, out, width, segment):
    return [Parameter(f"{name}.weight", (out, width), segment), Parameter(f"{name}.bias", (out,), segment)]


def norm(name, width, segment):
    return [Parameter(f"{name}.{of}", (width,), segment) for of in ("weight", "bias")]


def models():
    """The models of the tables, by name."""
    def config(file):
        with open(os.path.join(SHAPES, file + ".json")) as opened:
            return json.load(opened)
    found = [
        encoder("MiniLM", config("minilm"), (("pooler", None), ("classifier", 2))),
        encoder("RoBERTa-large", config("roberta-large"), (("classifier.dense", None), ("classifier.out_proj", 2))),
        decoder("SmolLM2-135M", config("smollm2-135m")),
        decoder("Llama-7B", config("llama-7b")),
        decoder("Llama-3-8B", config("llama-3-8b")),
    ]
    return {model.name: model for model in found}


def budget(components, rate):
    """Components that a target trains: that of src/sift/targets.rs."""
    return min(math.floor(rate * components) + 1, components)


def sift_slots(model, rate):
    """The slots of SIFT in their order: targets, then what is dense."""
    sparse = [Slot(target.name, target.components, budget(target.components, rate), target.segment, True)
              for target in model.targets]
    dense = [Slot(found.name, found.components, found.components, found.segment, False)
             for found in model.parameters if any(name in found.name for name in model.dense)]
    return tuple(sparse + dense)


def full_slots(model):
    """The slots of full fine-tuning."""
    return tuple(Slot(found.name, found.components, found.components, found.segment, False) for found in model.parameters)


def trained(slots):
    return sum(slot.trained for slot in slots)


def targets_components(slots):
    return sum(slot.components for slot in slots if slot.sparse)


def probed(slots, probe_every, step):
    """Slots whose dense gradient is summed in a step, counted from 0."""
    targets = sum(slot.sparse for slot in slots)
    position = step % probe_every
    return slots[targets * position // probe_every:targets * (position + 1) // probe_every]


def step_bytes(slots, element, probe_every, step):
    """What a rank gives to be summed in a step: its event's bytes_per_step. `element` is the bytes of a component."""
    probes = sum(slot.components for slot in probed(slots, probe_every, step))
    return element * (trained(slots) + probes) + LOSS


def buckets(slots, element):
    """Buckets in the order in which they are summed, each the slots' numbers and the sizes of its ranges of the flat vector."""
    full = min(max(element * trained(slots) // PARTS, SMALLEST), LARGEST)
    starts = [0]
    for slot in slots:
        starts.append(starts[-1] + slot.trained)
    order = sorted(range(len(slots)), key=lambda number: -slots[number].segment)
    found, current, size = [], [], 0
    for place, number in enumerate(order):
        current.append(number)
        size += element * slots[number].trained
        if size >= full or place + 1 == len(order):
            found.append((current, joined((starts[number], starts[number + 1]) for number in current)))
            current, size = [], 0
    return found


def joined(ranges):
    """Sizes of the ranges, neighbours as one."""
    merged = []
    for start, end in sorted(ranges):
        if merged and merged[-1][1] == start:
            merged[-1][1] = end
        else:
            merged.append([start, end])
    return [end - start for start, end in merged]


def ring_share(ranks):
    """What each rank sends, and receives, of a tensor that is summed in a ring."""
    return 2 * (ranks - 1) / ranks
