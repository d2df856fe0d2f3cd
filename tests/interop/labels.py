"""Label columns, and the classes that pandas and `datasets` read in them.

Writes tests/fixtures/differential/labels.json; with --check compares it with what is there.
"""

import argparse
import io
import json
import random
from pathlib import Path

import pandas
from datasets import ClassLabel

OUT = Path(__file__).parent.parent / "fixtures/differential/labels.json"
NAMES = ["negative", "neutral", "positive", "Joy", "anger", "sadness", "sci/tech", "World news", "été", "良い", "_", "a,b", 'say "x"']
COLLECTED = 260
NAMED = 140


def normalised(value):
    """The name of a category: whole floats are integers, booleans in lower case."""
    if isinstance(value, bool) or str(type(value).__name__) == "bool":
        return str(value).lower()
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    return str(value)


def column(rng):
    """Cells as a program would write them, and the value of each."""
    rows = rng.randint(4, 12)
    kind = rng.choice(["int", "float", "missing", "bool", "string", "wide", "fraction"])
    if kind == "int":
        return [rng.randint(-3, 12) for _ in range(rows)]
    if kind == "float":
        return [float(rng.randint(-3, 12)) for _ in range(rows)]
    if kind == "missing":
        return [rng.choice([None, float(rng.randint(0, 4))]) for _ in range(rows)]
    if kind == "bool":
        return [rng.random() < 0.5 for _ in range(rows)]
    if kind == "wide":
        return [rng.choice([1, 10, 100, 2, 20, 1000000]) for _ in range(rows)]
    if kind == "fraction":
        return [rng.choice([0.5, 1.5, 2.0, -0.25, 10.5]) for _ in range(rows)]
    return [rng.choice(NAMES) for _ in range(rows)]


def collected(rng):
    """A column as pandas writes it to CSV, and its categories as pandas reads it back."""
    series = pandas.Series(column(rng))
    text = pandas.DataFrame({"text": [f"t{row}" for row in range(len(series))], "label": series}).to_csv(index=False)
    back = pandas.read_csv(io.StringIO(text), keep_default_na=False, na_values={"label": [""]})["label"]
    categories = pandas.Categorical(back)
    names = [normalised(name) for name in categories.categories]
    return {"csv": text, "names": names, "classes": [int(code) if code >= 0 else None for code in categories.codes]}


def named(rng):
    """A column of names or indices, read by a ClassLabel of these names."""
    names = rng.sample(NAMES, rng.randint(2, 6))
    feature = ClassLabel(names=names)
    rows = rng.randint(4, 12)
    by_name = rng.random() < 0.5
    cells = [rng.choice(names) if by_name else rng.randrange(len(names)) for _ in range(rows)]
    if not by_name and rng.random() < 0.5:
        cells = [float(cell) for cell in cells]
    text = pandas.DataFrame({"text": [f"t{row}" for row in range(rows)], "label": cells}).to_csv(index=False)
    classes = [feature.str2int(cell if isinstance(cell, str) else str(int(cell))) for cell in cells]
    return {"csv": text, "labels": names, "names": names, "classes": classes}


def usable(case):
    """Two classes at least, and rows left in each."""
    return len({label for label in case["classes"] if label is not None}) > 1


def generate(make, count, seed):
    rng, cases = random.Random(seed), []
    while len(cases) < count:
        case = make(rng)
        if usable(case):
            cases.append(case)
    return cases


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--check", action="store_true")
    check = parser.parse_args().check
    cases = generate(collected, COLLECTED, 15) + generate(named, NAMED, 16)
    text = "[\n" + ",\n".join(json.dumps(case, ensure_ascii=False) for case in cases) + "\n]\n"
    if not check:
        OUT.parent.mkdir(exist_ok=True)
        OUT.write_text(text, encoding="utf-8")
    elif OUT.read_text(encoding="utf-8") != text:
        raise SystemExit(f"{OUT}: not what pandas {pandas.__version__} and datasets read")
    print(f"{len(cases)} label columns as pandas {pandas.__version__} and datasets read them")


if __name__ == "__main__":
    main()
