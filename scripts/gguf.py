"""Converts a GGUF file of the Llama architecture to a Hugging Face model folder. Needs numpy.

llama.cpp permutes the rows of q_proj and k_proj for its interleaved rotary embedding; the conversion restores their order
and dequantizes all weights to fp32.
"""

import json
import struct

import numpy

# ggml type: values per block, bytes per block, and the dequantization of blocks [n, bytes] to fp32.
TYPES = {
    0: (1, 4, lambda blocks: blocks.view("<f4")),
    1: (1, 2, lambda blocks: blocks.view("<f2")),
    2: (32, 18, lambda blocks: half(blocks, 0) * (nibbles(blocks[:, 2:]).astype("f4") - 8)),
    3: (32, 20, lambda blocks: half(blocks, 0) * nibbles(blocks[:, 4:]).astype("f4") + half(blocks, 2)),
    8: (32, 34, lambda blocks: half(blocks, 0) * numpy.ascontiguousarray(blocks[:, 2:]).view("i1").astype("f4")),
    30: (1, 2, lambda blocks: (blocks.view("<u2").astype("<u4") << 16).view("<f4")),
}
TYPE_NAMES = {0: "F32", 1: "F16", 2: "Q4_0", 3: "Q4_1", 8: "Q8_0", 30: "BF16"}
SCALARS = {0: "B", 1: "b", 2: "H", 3: "h", 4: "I", 5: "i", 6: "f", 7: "?", 10: "Q", 11: "q", 12: "d"}

TOP = {"token_embd": "model.embed_tokens", "output_norm": "model.norm", "output": "lm_head"}
BLOCK = {
    "attn_norm": "input_layernorm",
    "attn_q": "self_attn.q_proj",
    "attn_k": "self_attn.k_proj",
    "attn_v": "self_attn.v_proj",
    "attn_output": "self_attn.o_proj",
    "ffn_norm": "post_attention_layernorm",
    "ffn_gate": "mlp.gate_proj",
    "ffn_up": "mlp.up_proj",
    "ffn_down": "mlp.down_proj",
}
# Pre-tokenizers before the byte-level one, by `tokenizer.ggml.pre`.
PRE_TOKENIZERS = {
    "default": [],
    "gpt-2": [],
    "smollm": [{"type": "Digits", "individual_digits": True}],
    "starcoder": [{"type": "Digits", "individual_digits": True}],
}


class NotConvertible(Exception):
    """The file is damaged or not supported; the message says which."""


def convert(data, folder):
    """Writes config.json, model.safetensors in fp32, tokenizer.json and tokenizer_config.json into the folder."""
    try:
        file = Gguf(data)
    except (struct.error, KeyError, UnicodeDecodeError) as error:
        raise NotConvertible(f"not a GGUF file, or a damaged one: {error!r}") from error
    metadata = file.metadata
    if metadata.get("general.architecture") != "llama" or metadata.get("tokenizer.ggml.model") != "gpt2":
        raise NotConvertible("only the Llama architecture with a byte-level tokenizer can be converted")
    config = hf_config(file)
    write_weights(file, config, folder / "model.safetensors")
    write_json(config, folder / "config.json")
    write_json(tokenizer(metadata), folder / "tokenizer.json")
    write_json(tokenizer_config(metadata), folder / "tokenizer_config.json")


class Gguf:
    """Metadata and tensors of a file. Tensors are decoded on access."""

    def __init__(self, data):
        self.data, self.at, self.metadata, self.index = data, 0, {}, {}
        magic, version, tensors, entries = self.take("<4sIQQ")
        if magic != b"GGUF" or version not in (2, 3):
            raise NotConvertible(f"not a GGUF file of version 2 or 3: {magic!r} {version}")
        for _ in range(entries):
            name = self.text()
            self.metadata[name] = self.value(self.take("<I")[0])
        for _ in range(tensors):
            name = self.text()
            shape = self.take(f"<{self.take('<I')[0]}Q")
            self.index[name] = (shape[::-1], *self.take("<IQ"))
        alignment = self.metadata.get("general.alignment", 32)
        self.start = -(-self.at // alignment) * alignment

    def tensor(self, name):
        """The tensor in fp32 and in PyTorch's order of dimensions."""
        shape, kind, offset = self.index[name]
        if kind not in TYPES:
            raise NotConvertible(f"{name}: ggml type {kind} is not supported, only {', '.join(TYPE_NAMES.values())}")
        values, size, decode = TYPES[kind]
        count = int(numpy.prod(shape)) // values
        blocks = numpy.frombuffer(self.data, "u1", count * size, self.start + offset).reshape(count, size)
        return decode(blocks).astype("<f4").reshape(shape)

    def take(self, layout):
        values = struct.unpack_from(layout, self.data, self.at)
        self.at += struct.calcsize(layout)
        return values

    def text(self):
        (length,) = self.take("<Q")
        self.at += length
        return bytes(self.data[self.at - length : self.at]).decode()

    def value(self, kind):
        if kind == 8:
            return self.text()
        if kind == 9:
            of, length = self.take("<IQ")
            return [self.value(of) for _ in range(length)]
        return self.take("<" + SCALARS[kind])[0]


def half(blocks, at):
    """The fp16 value at a byte offset of each block."""
    return numpy.ascontiguousarray(blocks[:, at : at + 2]).view("<f2").astype("f4")


def nibbles(packed):
    """The low 4 bits of all bytes, then the high 4 bits."""
    return numpy.concatenate([packed & 15, packed >> 4], axis=1)


def hf_name(name):
    module, _, kind = name.rpartition(".")
    if module in TOP:
        return f"{TOP[module]}.{kind}"
    _, block, part = module.split(".")
    return f"model.layers.{block}.{BLOCK[part]}.{kind}"


def deinterleave(rows, heads):
    """Reorders the rows of each head from interleaved pairs to two halves, as Hugging Face's rotary embedding expects."""
    pairs = rows.reshape(heads, -1, 2, *rows.shape[1:])
    return numpy.ascontiguousarray(pairs.swapaxes(1, 2)).reshape(rows.shape)


def write_weights(file, config, path):
    heads = {"attn_q": config["num_attention_heads"], "attn_k": config["num_key_value_heads"]}
    names = [name for name in file.index if name != "rope_freqs.weight"]
    header, end = {"__metadata__": {"format": "pt"}}, 0
    for name in names:
        shape = file.index[name][0]
        size = 4 * int(numpy.prod(shape))
        header[hf_name(name)] = {"dtype": "F32", "shape": list(shape), "data_offsets": [end, end + size]}
        end += size
    encoded = json.dumps(header, separators=(",", ":")).encode()
    encoded += b" " * (-len(encoded) % 8)
    with open(path, "wb") as out:
        out.write(struct.pack("<Q", len(encoded)) + encoded)
        for name in names:
            part, tensor = name.split(".")[-2], file.tensor(name)
            out.write((deinterleave(tensor, heads[part]) if part in heads else tensor).data)


def hf_config(file):
    metadata = file.metadata
    of = lambda key, default=None: metadata.get(f"llama.{key}", default)
    token = lambda key: metadata.get(f"tokenizer.ggml.{key}_token_id")
    heads = of("attention.head_count")
    return {
        "architectures": ["LlamaForCausalLM"],
        "model_type": "llama",
        "bos_token_id": token("bos"),
        "eos_token_id": token("eos"),
        "pad_token_id": token("padding"),
        "head_dim": of("rope.dimension_count", of("embedding_length") // heads),
        "hidden_act": "silu",
        "hidden_size": of("embedding_length"),
        "intermediate_size": of("feed_forward_length"),
        "max_position_embeddings": of("context_length"),
        "num_attention_heads": heads,
        "num_hidden_layers": of("block_count"),
        "num_key_value_heads": of("attention.head_count_kv", heads),
        # Rounds the fp32 value 9.99999975e-06 back to 1e-05.
        "rms_norm_eps": float(f"{of('attention.layer_norm_rms_epsilon'):.6g}"),
        "rope_theta": of("rope.freq_base", 10000.0),
        "tie_word_embeddings": "output.weight" not in file.index,
        "torch_dtype": "float32",
        "vocab_size": file.index["token_embd.weight"][0][0],
    }


def tokenizer(metadata):
    tokens, kinds = metadata["tokenizer.ggml.tokens"], metadata["tokenizer.ggml.token_type"]
    pre_tokenizer = metadata.get("tokenizer.ggml.pre", "default")
    if pre_tokenizer not in PRE_TOKENIZERS:
        raise NotConvertible(f"tokenizer.ggml.pre = {pre_tokenizer!r} is not supported, only {', '.join(PRE_TOKENIZERS)}")
    byte_level = {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": True, "use_regex": True}
    control = 3
    special = {"single_word": False, "lstrip": False, "rstrip": False, "normalized": False, "special": True}
    return {
        "version": "1.0",
        "truncation": None,
        "padding": None,
        "added_tokens": [
            {"id": number, "content": token, **special}
            for number, (token, kind) in enumerate(zip(tokens, kinds))
            if kind == control
        ],
        "normalizer": None,
        "pre_tokenizer": {"type": "Sequence", "pretokenizers": [*PRE_TOKENIZERS[pre_tokenizer], byte_level]},
        "post_processor": None,
        "decoder": byte_level,
        "model": {
            "type": "BPE",
            "vocab": {token: number for number, token in enumerate(tokens)},
            "merges": metadata["tokenizer.ggml.merges"],
        },
    }


def tokenizer_config(metadata):
    tokens = metadata["tokenizer.ggml.tokens"]
    config = {"tokenizer_class": "PreTrainedTokenizerFast", "model_max_length": metadata["llama.context_length"]}
    for name, key in (("bos", "bos"), ("eos", "eos"), ("unk", "unknown"), ("pad", "padding")):
        number = metadata.get(f"tokenizer.ggml.{key}_token_id")
        if number is not None:
            config[f"{name}_token"] = tokens[number]
    if "tokenizer.chat_template" in metadata:
        config["chat_template"] = metadata["tokenizer.chat_template"]
    return config


def write_json(value, path):
    path.write_text(json.dumps(value, ensure_ascii=False, indent=1), encoding="utf-8")
