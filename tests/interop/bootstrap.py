"""The paired bootstrap of two rows of a sweep on given draws, in numpy.

usage: bootstrap.py [--check]

Records it as a fixture of the tests. With --check, compares the recorded one with what numpy finds now."""

import json
import sys
from pathlib import Path

import numpy as np

FIXTURE = Path(__file__).resolve().parent.parent / "fixtures/differential/bootstrap.json"
EXAMPLES, SEEDS, DRAWS = 40, 3, 60


def accuracy(predictions, labels):
    return np.mean(predictions == labels)


def f1(predictions, labels):
    true = np.sum((predictions == 1) & (labels == 1))
    return 2 * true / (np.sum(predictions == 1) + np.sum(labels == 1))


def matthews_correlation(predictions, labels):
    return np.corrcoef(predictions, labels)[0, 1]


def main():
    random = np.random.default_rng(3)
    labels = random.integers(0, 2, EXAMPLES)
    # The first row is right more often.
    rows = [[np.where(random.random(EXAMPLES) < right, labels, 1 - labels) for _ in range(SEEDS)] for right in (0.85, 0.7)]
    draws = random.integers(0, EXAMPLES, (DRAWS, EXAMPLES))
    metrics = {}
    for metric in (accuracy, f1, matthews_correlation):

        def difference(examples):
            means = [np.mean([metric(seed[examples], labels[examples]) for seed in row]) for row in rows]
            return means[0] - means[1]

        measured = difference(np.arange(EXAMPLES))
        drawn = np.array([difference(draw) for draw in draws])
        metrics[metric.__name__] = {
            "measured": measured,
            "drawn": drawn.tolist(),
            "interval": np.percentile(drawn, [2.5, 97.5]).tolist(),
            "p": (1 + int(np.sum(abs(drawn - measured) >= abs(measured) - 1e-12))) / (1 + DRAWS),
            "sd": float(np.std(drawn, ddof=1)),
        }
    found = {
        "labels": labels.tolist(),
        "rows": [[seed.tolist() for seed in row] for row in rows],
        "draws": draws.tolist(),
        "metrics": metrics,
    }
    if "--check" in sys.argv:
        recorded = json.loads(FIXTURE.read_text())
        for name, expected in metrics.items():
            for key, value in expected.items():
                assert np.allclose(recorded["metrics"][name][key], value, rtol=0, atol=1e-12), (name, key)
        print("the bootstrap is as recorded")
    else:
        FIXTURE.write_text(json.dumps(found) + "\n")


main()
