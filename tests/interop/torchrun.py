"""Runs of two ranks that torchrun starts beside a run of one process: the same losses and scores.

usage: torchrun.py FINESIFT"""

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

MODEL = Path(__file__).resolve().parent.parent / "fixtures/models/tiny-bert"
TORCHRUN = Path(sys.executable).with_name("torchrun")
TOLERANCE = 1e-5
WORDS = ["good", "bad", "fine", "poor", "great", "awful", "nice", "dull"]

PRESET = """
[model]
id = "{model}"
[data]
path = "{data}"
max_length = 24
eval_fraction = 0.25
[sift]
rate = 0.1
modules = ["query", "value"]
biases = false
probe_every = 4
[train]
batch = 6
accumulate = 2
epochs = 3
learning_rate = 1e-3
{more}
"""


def numbers(events):
    """Loss of each step, and the scores of each evaluation."""
    events = [json.loads(line) for line in events.read_text().splitlines()]
    losses = [event["loss"] for event in events if event["event"] == "step"]
    scores = [event["scores"] for event in events if event["event"] == "eval"]
    return losses, scores


def main(program):
    with tempfile.TemporaryDirectory() as folder:
        folder = Path(folder)
        data = folder / "rows.jsonl"
        rows = [{"text": " ".join(WORDS[(3 * i + j) % 8] for j in range(2 + i % 9)), "label": "ab"[i % 2]} for i in range(80)]
        data.write_text("".join(json.dumps(row) + "\n" for row in rows))
        environment = {**os.environ, "OMP_NUM_THREADS": "1", "RAYON_NUM_THREADS": "1"}
        common = ["--device", "cpu", "--headless", "--runs", folder / "runs"]

        def run(name, more, launcher):
            preset = folder / f"{name}.toml"
            preset.write_text(PRESET.format(model=MODEL, data=data, more=more))
            command = [*launcher, program, "train", preset, "--run", name, *common]
            done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=300)
            if done.returncode != 0:
                sys.exit(f"{name}: status {done.returncode}\n{done.stdout}{done.stderr}")
            return numbers(folder / "runs" / name / "events.jsonl")

        # Without --, torchrun takes options of finesift for its own.
        torchrun = [TORCHRUN, "--no-python", "--nproc-per-node", "2", "--rdzv-backend", "c10d", "--rdzv-endpoint", "127.0.0.1:0"]
        losses, scores = run("one", "", [])
        for name, more in [("two", ""), ("sharded", "shard = true")]:
            found, found_scores = run(name, more, [*torchrun, "--"])
            assert len(found) == len(losses) and found_scores == scores, (name, found_scores, scores)
            off = max(abs(a - b) / abs(b) for a, b in zip(found, losses))
            assert off < TOLERANCE, (name, off)
            print(f"torchrun, 2 ranks, {name}: {len(found)} steps, losses within {off:.1e}, the same scores")


if __name__ == "__main__":
    main(Path(sys.argv[1]).resolve())
