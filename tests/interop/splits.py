"""Splits of datasets without a card, as the `datasets` library finds them by the names of files and folders.

usage: splits.py [--check]

Records them as a fixture of the tests. With --check, compares the recorded ones with those of the installed `datasets`."""

import json
import os
import random
import sys
import tempfile
from pathlib import Path

os.environ["HF_HUB_OFFLINE"] = "1"

from datasets.data_files import DataFilesDict, EmptyDatasetError, get_data_patterns

FIXTURE = Path(__file__).resolve().parent.parent / "fixtures/differential/splits.jsonl"
PARTS = ["train", "training", "test", "testing", "dev", "val", "valid", "validation", "eval", "evaluation", "data", "my-train",
         "trained", "x", "train_1", "test2", "a.test", "pre.train.b", "Train", "xtrain", "dev set", ".hidden", "__x__"]


def splits(names):
    with tempfile.TemporaryDirectory() as folder:
        folder = Path(folder).resolve()
        for name in names:
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            (folder / name).write_text("x")
        try:
            patterns = get_data_patterns(str(folder))
        except EmptyDatasetError:
            return {}
        files = DataFilesDict.from_patterns(patterns, base_path=str(folder))
        # A file that two patterns match is there twice; finesift reads it once.
        return {str(split): sorted({os.path.relpath(path, folder) for path in paths}) for split, paths in files.items()}


def rows(count):
    draw = random.Random(5)
    while count:
        names = set()
        for _ in range(draw.randint(1, 5)):
            folders = [draw.choice(PARTS) for _ in range(draw.randint(0, 2))]
            if draw.random() < 0.12:
                folders, file = ["data"], f"{draw.choice(PARTS[:9])}-0000{draw.randint(0, 1)}-of-00002.csv"
            else:
                file = draw.choice(PARTS[:-2]) + ".csv"
            names.add("/".join([*folders, file]))
        yield sorted(names)
        count -= 1


def main():
    check = "--check" in sys.argv[1:]
    found = "".join(json.dumps({"names": names, "splits": splits(names)}) + "\n" for names in rows(400))
    if not check:
        FIXTURE.write_text(found)
    elif FIXTURE.read_text() != found:
        sys.exit(f"{FIXTURE}: datasets finds other splits")
    print(f"{found.count(chr(10))} layouts of datasets, as datasets finds their splits")


main()
