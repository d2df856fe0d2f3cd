"""Which components each criterion and structure selects of small targets, in dense numpy.

usage: selection.py [--check]

Records them as a fixture of the tests. With --check, compares the recorded ones with those that numpy finds now."""

import json
import math
import sys
from pathlib import Path

import numpy as np

FIXTURE = Path(__file__).resolve().parent.parent / "fixtures/differential/selection.json"
SHAPES = [(12, 20), (33, 16), (64, 48), (21,)]
RATE, RANK, SIDE, BATCHES = 0.13, 5, 8, 3


def scores(weight, gradients):
    total = sum(gradients)
    if weight.ndim == 2:
        u, s, vh = np.linalg.svd(weight, full_matrices=False)
        lift = (u[:, :RANK] * s[:RANK]) @ vh[:RANK]
    else:
        lift = weight
    return {
        "gradient": total,
        "gradient_times_weight": total * weight,
        "fisher": sum(gradient**2 for gradient in gradients),
        "gallop": total / (abs(weight) + 1e-8),
        "magnitude": weight,
        "lift": lift,
    }


def top(values, count):
    """The `count` largest, of which the first left out must be clearly smaller: rounding decides nothing."""
    order = np.argsort(-values, kind="stable")
    if count < len(values):
        last, next_one = values[order[count - 1]], values[order[count]]
        assert last - next_one > 1e-4 * last, (last, next_one)
    return np.sort(order[:count])


def sets(of, rate):
    return max(1, math.floor(rate * of))


def entries(score):
    return top(abs(score).ravel(), min(math.floor(RATE * score.size) + 1, score.size))


def mask_of(score, rows=None, columns=None):
    mask = np.zeros(score.shape, bool)
    mask[np.ix_(range(score.shape[0]) if rows is None else rows, range(score.shape[1]) if columns is None else columns)] = True
    return mask


def structures(score):
    if score.ndim != 2:
        return {"entries": entries(score)}
    out, width = score.shape
    square = score**2
    found = {"entries": entries(score)}
    per_row = np.zeros(score.shape, bool)
    for row in range(out):
        per_row[row, top(abs(score[row]), sets(width, RATE))] = True
    masks = {"per_row": per_row}
    masks["columns"] = mask_of(score, columns=top(square.sum(0), sets(width, RATE)))
    masks["rows"] = mask_of(score, rows=top(square.sum(1), sets(out, RATE)))
    p, q = sets(out, math.sqrt(RATE)), sets(width, math.sqrt(RATE))
    rows = top(square.sum(1), p)
    rows_first = mask_of(score, rows, top(square[rows].sum(0), q))
    columns = top(square.sum(0), q)
    columns_first = mask_of(score, top(square[:, columns].sum(1), p), columns)
    masks["rows_columns"] = rows_first if square[rows_first].sum() >= square[columns_first].sum() else columns_first
    high, wide = (max(d for d in range(1, SIDE + 1) if side % d == 0) for side in (out, width))
    mass = np.array([[square[r : r + high, c : c + wide].sum() for c in range(0, width, wide)] for r in range(0, out, high)])
    blocks = np.zeros(score.shape, bool)
    for number in top(mass.ravel(), sets(mass.size, RATE)):
        r, c = divmod(int(number), mass.shape[1])
        blocks[r * high : (r + 1) * high, c * wide : (c + 1) * wide] = True
    masks["blocks"] = blocks
    found.update({name: np.flatnonzero(mask) for name, mask in masks.items()})
    return found


def sets_of(score, structure):
    """The components of each set of a target, and the score of each: the root mean square over its components."""
    square, flat = score**2, np.arange(score.size).reshape(score.shape)
    if score.ndim != 2 or structure == "entries":
        members = flat.reshape(-1, 1)
    elif structure == "columns":
        members = flat.T
    elif structure == "rows":
        members = flat
    else:
        out, width = score.shape
        high, wide = (max(d for d in range(1, SIDE + 1) if side % d == 0) for side in (out, width))
        members = np.array([flat[r : r + high, c : c + wide].ravel() for r in range(0, out, high) for c in range(0, width, wide)])
    return members, np.sqrt(square.ravel()[members].mean(axis=1))


def over_all(found, criterion, structure):
    """The components of every target that a budget over all of them selects, from one sorted list of all sets."""
    all_scores = [scores(np.array(t["weight"]).reshape(t["shape"]),
                         [np.array(g).reshape(t["shape"]) for g in t["gradients"]])[criterion] for t in found]
    budget = sum(len(t["selected"][criterion].get(structure, t["selected"][criterion]["entries"])) for t in found)
    members, marks = zip(*(sets_of(score, structure) for score in all_scores))
    places = [(mark, target, number) for target, of in enumerate(marks) for number, mark in enumerate(of)]
    places.sort(key=lambda place: (-place[0], place[1], place[2]))
    chosen, total = [[] for _ in found], 0
    for index, (mark, target, number) in enumerate(places):
        total += len(members[target][number])
        if total > budget:
            left = places[index - 1][0] - mark
            assert left > 1e-5 * mark, (places[index - 1], mark)
            break
        chosen[target].extend(members[target][number].tolist())
    return [sorted(of) for of in chosen]


def targets():
    draw = np.random.default_rng(11)
    for shape in SHAPES:
        # A share of large columns and rows, as in gradients; four decimals are exact enough in fp32.
        weight = np.round(draw.normal(size=shape) * np.exp(draw.normal(size=shape[-1])), 4)
        gradients = [np.round(draw.normal(size=shape) * np.exp(draw.normal(size=shape[-1])), 4) for _ in range(BATCHES)]
        selected = {name: {of: found.tolist() for of, found in structures(score).items()}
                    for name, score in scores(weight, gradients).items()}
        yield {"shape": shape, "weight": weight.ravel().tolist(),
               "gradients": [gradient.ravel().tolist() for gradient in gradients], "selected": selected}


def main():
    all_targets = list(targets())
    everywhere = {criterion: {structure: over_all(all_targets, criterion, structure) for structure in ("entries", "columns", "rows", "blocks")}
                  for criterion in all_targets[0]["selected"]}
    found = json.dumps({"rate": RATE, "rank": RANK, "side": SIDE, "targets": all_targets, "global": everywhere}, separators=(",", ":")) + "\n"
    if "--check" not in sys.argv[1:]:
        FIXTURE.write_text(found)
    elif FIXTURE.read_text() != found:
        sys.exit(f"{FIXTURE}: numpy selects other components")
    count = sum(len(by) for target in all_targets for by in target["selected"].values())
    print(f"{count} selections of {len(all_targets)} targets, as numpy makes them")


if __name__ == "__main__":
    main()
