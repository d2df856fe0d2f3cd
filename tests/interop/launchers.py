"""Runs of two ranks that torchrun and Open MPI start beside a run of one process: the same losses and scores.

usage: launchers.py FINESIFT"""

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

import check

BIN = Path(sys.executable).parent
# Without --, torchrun takes options of finesift for its own.
LAUNCHERS = {
    "torchrun": [BIN / "torchrun", "--no-python", "--nproc-per-node", "2", "--rdzv-backend", "c10d", "--rdzv-endpoint", "127.0.0.1:0", "--"],
    "Open MPI": [BIN / "mpirun", "-np", "2", "--bind-to", "none", "--oversubscribe"],
}
# Open MPI refuses root otherwise, the user of containers.
AS_ROOT = {"OMPI_ALLOW_RUN_AS_ROOT": "1", "OMPI_ALLOW_RUN_AS_ROOT_CONFIRM": "1"}
TOLERANCE = 1e-5


def run(program, name, more, launcher):
    """Losses of the steps of a run, and the scores of its evaluations."""
    command = [*launcher, program, "train", "roberta.toml", "--run", name, "--runs", "runs", "--device", "cpu", "--headless",
               "--set", "train.accumulate=2", *more]
    environment = {**os.environ, **AS_ROOT, "OMP_NUM_THREADS": "1", "RAYON_NUM_THREADS": "1"}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, f"{name}: status {done.returncode}\n{done.stdout}{done.stderr}"
    events = [json.loads(line) for line in Path(f"runs/{name}/events.jsonl").read_text().splitlines()]
    losses = [event["loss"] for event in events if event["event"] == "step"]
    return losses, [event["scores"] for event in events if event["event"] == "eval"]


def main(program):
    with tempfile.TemporaryDirectory() as folder:
        os.chdir(folder)
        check.make_roberta()
        losses, scores = run(program, "one", [], [])
        for launcher, command in LAUNCHERS.items():
            for kind, more in [("plain", []), ("sharded", ["--set", "train.shard=true"])]:
                name = f"{launcher.split()[0].lower()}-{kind}"
                found, found_scores = run(program, name, more, command)
                assert len(found) == len(losses) > 0 and found_scores == scores, (name, found_scores, scores)
                off = max(abs(a - b) / abs(b) for a, b in zip(found, losses))
                assert off < TOLERANCE, f"{name}: losses differ by {off}"
                print(f"{launcher}, 2 ranks, {kind}: {len(found)} steps, losses within {off:.1e}, the same scores")
        os.chdir("/")


if __name__ == "__main__":
    main(Path(sys.argv[1]).resolve())
