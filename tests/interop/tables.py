"""Generates tables from fixed seeds, and what Python's csv and json, pandas and pyarrow read of them.

usage: tables.py [--check]

Records them in tests/fixtures/differential, which `cargo test` reads; with --check compares with those recorded. A line is one
file: its name, its bytes in hexadecimal, its rows, and how many rows have a wrong number of columns."""

import csv
import datetime
import decimal
import gzip
import io
import json
import random
import sys
from pathlib import Path

import numpy
import pandas
import pyarrow
import pyarrow.parquet

FIXTURES = Path(__file__).resolve().parent.parent / "fixtures/differential"
DELIMITERS = {",": "csv", ";": "csv", "\t": "tsv", "|": "csv"}
WORDS = ["good", "bad", "film", "really", "12", "3.50", "naïve", "café", "“so”", "日本語", "😀", "don't", "50%", "#1", "\\n", "a  b"]
WESTERN = ["good", "bad", "film", "naïve", "café", "Größe", "€ 5", "12"]


def texts(rng, words, extra):
    """A cell of a few words, with some of the characters that need quotes."""
    parts = [rng.choice(words) for _ in range(rng.randint(1, 4))]
    parts += [rng.choice(extra) for _ in range(rng.choice([0, 0, 1, 2]))]
    rng.shuffle(parts)
    return " ".join(parts)


def compressed(rng, name, data):
    kind = rng.choice(["", "", "", "", ".gz", ".zst"])
    if kind == ".gz":
        return name + kind, gzip.compress(data, mtime=0)
    if kind == ".zst":
        return name + kind, pyarrow.compress(data, codec="zstd", asbytes=True)
    return name, data


def delimited_table(seed):
    """A table as Python's csv writes it, in one of many dialects and encodings."""
    rng = random.Random(seed)
    delimiter = rng.choice(list(DELIMITERS))
    encoding = rng.choice(["utf-8", "utf-8", "utf-8", "utf-8-sig", "utf-16", "utf-16-be", "cp1252"])
    breaks = rng.choice(["\n", "\n", "\r\n", "\r"])
    # A lone carriage return ends a line for the one and is text for the other; tabs and line breaks in one field of a TSV file
    # leave open whether its quotes enclose fields.
    extra = ['"x"', '""', '5"', ",", ";", "|", "\t", "\n", "\r\n"]
    if delimiter == "\t":
        extra.remove("\t")
    width = rng.randint(2, 5)
    header = ["text", "label", "id", "a column", "größe"][:width]
    if encoding == "cp1252":
        header = header[:4]
        width = len(header)
    rng.shuffle(header)
    index = rng.random() < 0.15
    columns = [""] + header if index else header
    words = WESTERN if encoding == "cp1252" else WORDS
    rows = []
    for number in range(rng.randint(0, 9)):
        cells = [texts(rng, words, extra) if rng.random() < 0.8 else rng.choice(["", " ", " padded ", "NA", "null"]) for _ in header]
        rows.append([str(number)] + cells if index else cells)
    quoting = rng.choice([csv.QUOTE_MINIMAL, csv.QUOTE_MINIMAL, csv.QUOTE_ALL, csv.QUOTE_NONNUMERIC])
    text = io.StringIO(newline="")
    if delimiter != "\t" and rng.random() < 0.1:
        text.write(f"sep={delimiter}{breaks}")
        skipped = 1
    else:
        skipped = 0
    writer = csv.writer(text, delimiter=delimiter, quoting=quoting, lineterminator=breaks)
    ending = rng.choice(["", "", "", "trailing"])
    writer.writerow(columns)
    wrong = 0
    for row in rows:
        fault = rng.random()
        if fault < 0.06:
            writer.writerow(row + ["too", "many"])
        elif fault < 0.12 and len(row) > 2:
            writer.writerow(row[:-1])
        elif ending == "trailing":
            writer.writerow(row + [""])
        else:
            writer.writerow(row)
        if rng.random() < 0.05:
            text.write(breaks)
    value = text.getvalue()
    if rng.random() < 0.2:
        value = value.removesuffix(breaks)

    def expected(row):
        """The cells of a row that has one for each column, and nothing but empty ones beyond them."""
        complete = len(row) >= len(columns) and not any(row[len(columns):])
        return row[index:len(columns)] if complete else None

    lines = list(csv.reader(io.StringIO(value, newline=""), delimiter=delimiter, strict=True))
    read = [row for row in lines[skipped + 1:] if row and not (len(row) == 1 and not row[0].strip())]
    complete = [cells for cells in map(expected, read) if cells is not None]
    wrong = len(read) - len(complete)
    if wrong == 0 and ending == "" and read:
        # pandas' skiprows loses a delimiter after a carriage return.
        table = value.removeprefix(f"sep={delimiter}{breaks}")
        frame = pandas.read_csv(io.StringIO(table, newline=""), sep=delimiter, dtype=str, keep_default_na=False)
        assert frame.values.tolist() == [row[: len(columns)] for row in read], (seed, frame.values.tolist(), read)
    if encoding == "utf-16-be":
        data = b"\xfe\xff" + value.encode(encoding)
    else:
        data = value.encode(encoding)
    name, data = compressed(rng, f"{seed}.{DELIMITERS[delimiter]}", data)
    # A header alone does not tell a delimiter from text.
    return {"name": name, "bytes": data.hex(), "rows": [dict(zip(header, cells)) for cells in complete], "wrong": wrong}


def unclosed_table(seed):
    """A table with a quote that is not closed; the error names the line where it opens."""
    rng = random.Random(seed)
    lines, opened = ["text,label"], None
    count = rng.randint(3, 30)
    at = rng.randrange(count)
    number = 2
    for row in range(count):
        cell = rng.choice([f"film {row}", f'"film {row}, really"', f'"two\nlines {row}"', f'"he said ""so"" {row}"'])
        if row == at:
            cell, opened = f'"film {row} and no end', number
        elif opened:
            # Quotes that open later would close this one.
            cell = f"film {row}"
        lines.append(f"{cell},{rng.choice(['pos', 'neg'])}" if rng.random() < 0.99 or row == at else cell)
        number += 1 + cell.count("\n")
    text = "\n".join(lines) + rng.choice(["", "\n"])
    try:
        list(csv.reader(io.StringIO(text, newline=""), strict=True))
        raise AssertionError(seed)
    except csv.Error:
        pass
    return {"name": f"{seed}.csv", "bytes": text.encode().hex(), "error": opened}


def json_value(rng, depth):
    kinds = ["text", "text", "int", "float", "bool", "null", "nan"] + (["list", "object"] if depth else [])
    kind = rng.choice(kinds)
    if kind == "text":
        return texts(rng, WORDS, ['"', "\\", "\n", "\t", "\u2028", "\x7f", "\ud83d", "\ude00 x"])
    if kind == "int":
        return rng.choice([0, -1, 7, 2**53 + 1, -(2**63), 2**64 - 1])
    if kind == "float":
        return rng.choice([0.1, -0.0, 1.0, 1e16, 1.5e-7, 1e300, 3.14159])
    if kind == "nan":
        return rng.choice([float("nan"), float("inf"), float("-inf")])
    if kind == "list":
        return [json_value(rng, depth - 1) for _ in range(rng.randint(0, 3))]
    if kind == "object":
        return {rng.choice(["a", "b", "ключ"]): json_value(rng, depth - 1) for _ in range(rng.randint(0, 3))}
    return {"bool": rng.random() < 0.5, "null": None}[kind]


def standard(value):
    """A value as JSON can hold it: NaN is null, infinities are text as Python prints them, half surrogate pairs are U+FFFD."""
    if isinstance(value, float) and value != value:
        return None
    if isinstance(value, float) and value in (float("inf"), float("-inf")):
        return str(value)
    if isinstance(value, str):
        return value.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    if isinstance(value, list):
        return [standard(item) for item in value]
    if isinstance(value, dict):
        return {standard(key): standard(item) for key, item in value.items()}
    return value


def json_table(seed):
    rng = random.Random(seed)
    rows = [{key: json_value(rng, 3) for key in ["text", "label", "x", "y"][: rng.randint(1, 4)]} for _ in range(rng.randint(0, 6))]
    # One ASCII writer: half a surrogate pair can only be written as an escape.
    dump = lambda row, **how: json.dumps(row, ensure_ascii=True, **how)
    if rng.random() < 0.3:
        text = dump(rows, indent=rng.choice([None, 1, 4]))
        name = f"{seed}.json"
    else:
        breaks = rng.choice(["\n", "\r\n", "\r"])
        text = "".join(dump(row) + breaks + rng.choice(["", "", "", "   " + breaks, breaks]) for row in rows)
        if rng.random() < 0.2 and rows:
            text = text.replace('{"text":', '{"text": "first", "text":')
        name = f"{seed}.jsonl"
    if name.endswith(".json"):
        read = json.loads(text)
    else:
        read = [json.loads(line) for line in text.replace("\r", "\n").split("\n") if line.strip()]
    encoding = rng.choice(["utf-8", "utf-8", "utf-8-sig", "utf-16"])
    name, data = compressed(rng, name, text.encode(encoding))
    return {"name": name, "bytes": data.hex(), "rows": standard(read), "wrong": 0}


def parquet_type(rng, depth):
    """A type with a function that draws its values."""
    scalar = [
        (pyarrow.string(), lambda: texts(rng, WORDS, ['"', "\n", "\0"])),
        (pyarrow.large_string(), lambda: texts(rng, WORDS, [","])),
        (pyarrow.dictionary(pyarrow.int32(), pyarrow.string()), lambda: rng.choice(["pos", "neg", "neutral"])),
        (pyarrow.binary(), lambda: rng.choice(WORDS).encode()),
        (pyarrow.bool_(), lambda: rng.random() < 0.5),
        (pyarrow.int8(), lambda: rng.randint(-128, 127)),
        (pyarrow.uint16(), lambda: rng.randint(0, 65535)),
        (pyarrow.int32(), lambda: rng.randint(-(2**31), 2**31 - 1)),
        (pyarrow.uint32(), lambda: rng.randint(0, 2**32 - 1)),
        (pyarrow.int64(), lambda: rng.choice([0, -(2**63), 2**63 - 1, 5])),
        (pyarrow.uint64(), lambda: rng.choice([0, 2**64 - 1])),
        (pyarrow.float16(), lambda: numpy.float16(rng.choice([0.1, 1, -2.5, 1000.0]))),
        (pyarrow.float32(), lambda: rng.choice([0.1, 1.0, -2.5, 3.14159, 1e20, float("nan"), float("inf")])),
        (pyarrow.float64(), lambda: rng.choice([0.1, 1.0, 1e16, 1.5e-7, float("nan"), float("-inf")])),
        (pyarrow.decimal128(9, 2), lambda: decimal.Decimal(rng.randint(-99999, 99999)) / 100),
        (pyarrow.decimal128(30, 10), lambda: decimal.Decimal(rng.randint(-(10**20), 10**20)).scaleb(-10)),
        (pyarrow.decimal128(18, 0), lambda: decimal.Decimal(rng.randint(-(10**9), 10**9))),
        (pyarrow.date32(), lambda: datetime.date(1900, 1, 1) + datetime.timedelta(days=rng.randint(0, 80000))),
        (pyarrow.time64("us"), lambda: datetime.time(rng.randint(0, 23), 59, 1, rng.choice([0, 5000, 123456]))),
        (pyarrow.timestamp("ms"), lambda: moment(rng, 1000)),
        (pyarrow.timestamp("us"), lambda: moment(rng, 1)),
        (pyarrow.timestamp("ns"), lambda: pandas.Timestamp(moment(rng, 1)) + pandas.Timedelta(rng.choice([0, 7]), "ns")),
        (pyarrow.timestamp("us", tz="UTC"), lambda: moment(rng, 1).replace(tzinfo=datetime.timezone.utc)),
    ]
    choice = rng.random()
    if depth == 0 or choice < 0.6:
        return rng.choice(scalar)
    if choice < 0.8:
        inner, draw = parquet_type(rng, depth - 1)
        while pyarrow.types.is_dictionary(inner):
            inner, draw = parquet_type(rng, depth - 1)
        return pyarrow.list_(inner), lambda: [nullable(rng, draw) for _ in range(rng.randint(0, 3))]
    if choice < 0.95:
        fields = {name: parquet_type(rng, depth - 1) for name in ["role", "content", "tool_calls"][: rng.randint(1, 3)]}
        struct = pyarrow.struct([(name, kind) for name, (kind, _) in fields.items() if not pyarrow.types.is_dictionary(kind)])
        if struct.num_fields == 0:
            return pyarrow.string(), lambda: "x"
        return struct, lambda: {field.name: nullable(rng, fields[field.name][1]) for field in struct}
    return pyarrow.map_(pyarrow.string(), pyarrow.int32()), lambda: [(key, rng.randint(0, 9)) for key in ["k", "ü"][: rng.randint(0, 2)]]


def moment(rng, step):
    micros = rng.choice([0, 0, 123456, 5000]) // step * step
    return datetime.datetime(1900, 1, 1) + datetime.timedelta(days=rng.randint(0, 80000), seconds=rng.randint(0, 86399), microseconds=micros)


def nullable(rng, draw):
    return None if rng.random() < 0.2 else draw()


def shown(value, kind):
    """A value as JSON: nulls of structs are absent, floats have the digits of their width, other types are printed as by pandas."""
    types = pyarrow.types
    if value is None:
        return None
    if types.is_struct(kind):
        fields = {field.name: shown(value[field.name], field.type) for field in kind}
        return {name: item for name, item in fields.items() if item is not None}
    if types.is_map(kind):
        return {key: shown(item, kind.item_type) for key, item in value}
    if types.is_list(kind):
        return [shown(item, kind.value_type) for item in value]
    if types.is_floating(kind):
        number = {16: numpy.float16, 32: numpy.float32, 64: numpy.float64}[kind.bit_width](value)
        # Half floats are shown with the digits of single ones.
        number = numpy.float32(number) if kind.bit_width == 16 else number
        return standard(float(str(number)))
    if types.is_binary(kind):
        return value.decode()
    if types.is_timestamp(kind):
        return str(pandas.Timestamp(value))
    if types.is_decimal(kind):
        return format(value, "f")
    if types.is_date(kind) or types.is_time(kind):
        return str(value)
    return value


def parquet_table(seed):
    rng = random.Random(seed)
    columns = {}
    rows = rng.randint(0, 12)
    for name in ["text", "label", "messages", "größe"][: rng.randint(1, 4)]:
        kind, draw = parquet_type(rng, 2)
        columns[name] = pyarrow.array([nullable(rng, draw) for _ in range(rows)], kind)
    table = pyarrow.table(columns)
    file = io.BytesIO()
    codec = rng.choice(["none", "snappy", "gzip", "zstd", "lz4", "brotli"])
    pyarrow.parquet.write_table(
        table, file, compression=codec, row_group_size=rng.choice([1, 3, 100]), use_dictionary=rng.random() < 0.5,
        write_statistics=False, store_schema=False, data_page_version=rng.choice(["1.0", "2.0"]),
        use_compliant_nested_type=rng.random() < 0.8,
        column_encoding=None,
    )
    read = pyarrow.parquet.read_table(io.BytesIO(file.getvalue()))
    kinds = {field.name: field.type for field in read.schema}
    expected = []
    for row in read.to_pylist():
        fields = {name: shown(value, kinds[name]) for name, value in row.items()}
        expected.append({name: value for name, value in fields.items() if value is not None})
    return {"name": f"{seed}.parquet", "bytes": file.getvalue().hex(), "rows": expected, "wrong": 0}


KINDS = {
    "delimited": [(delimited_table, range(0, 400)), (unclosed_table, range(400, 450))],
    "json": [(json_table, range(1000, 1300))],
    "parquet": [(parquet_table, range(2000, 2300))],
}


def main():
    FIXTURES.mkdir(exist_ok=True)
    for name, generators in KINDS.items():
        files = [generate(seed) for generate, seeds in generators for seed in seeds]
        text = "".join(json.dumps(file, ensure_ascii=False, allow_nan=False) + "\n" for file in files)
        fixture = FIXTURES / f"{name}.jsonl.gz"
        if sys.argv[1:] == ["--check"]:
            recorded = gzip.decompress(fixture.read_bytes()).decode()
            assert recorded == text, f"{fixture} differs from what the installed packages read"
        else:
            fixture.write_bytes(gzip.compress(text.encode(), 9, mtime=0))
        print(f"{name}: {len(files)} files, {sum(len(file.get('rows', [])) for file in files)} rows")


if __name__ == "__main__":
    main()
