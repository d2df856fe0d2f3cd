#!/usr/bin/env python3
"""Copies a model's safetensors file with its fp32 tensors rounded to fp16, for the way to another machine. Every program that loads
weights in fp32 converts them back. Needs Python 3.9 and nothing else.

usage: half_precision.py FROM TO
"""
import array
import json
import struct
import sys

# Numbers that are converted at a time: Python's take ten times the memory.
PART = 1 << 18


def rounded(numbers):
    """The bytes of fp32 numbers as those of fp16 ones, rounded to the nearest."""
    values = array.array("f", numbers)
    if sys.byteorder == "big":
        values.byteswap()
    parts = (values[start:start + PART] for start in range(0, len(values), PART))
    return b"".join(struct.pack(f"<{len(part)}e", *part) for part in parts)


def main():
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    with open(sys.argv[1], "rb") as file:
        length, = struct.unpack("<Q", file.read(8))
        header = json.loads(file.read(length))
        data = file.read()
    metadata = header.pop("__metadata__", None)
    tensors, written, end = [], {}, 0
    for name, tensor in sorted(header.items(), key=lambda named: named[1]["data_offsets"]):
        start, stop = tensor["data_offsets"]
        numbers = data[start:stop]
        dtype = tensor["dtype"]
        if dtype == "F32":
            try:
                dtype, numbers = "F16", rounded(numbers)
            except OverflowError:
                sys.exit(f"{sys.argv[1]}: {name}: a number is beyond the range of fp16")
        written[name] = {"dtype": dtype, "shape": tensor["shape"], "data_offsets": [end, end + len(numbers)]}
        end += len(numbers)
        tensors.append(numbers)
    if metadata:
        written = {"__metadata__": metadata, **written}
    # As safetensors does, so that tensors are aligned.
    text = json.dumps(written, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    with open(sys.argv[2], "wb") as file:
        file.write(struct.pack("<Q", len(text)) + text)
        file.writelines(tensors)


if __name__ == "__main__":
    main()
