"""PAC-Bayes bounds, Gaussian divergences and numbers of selections, by other ways than finesift's.

usage: pac_bayes.py [--check]

Divergences come from whole covariance matrices, numbers of selections from exact integers, inverses from Newton's method in 60
digits, Catoni's bound from its definition in 60 digits. Records them as a fixture of the tests. With --check, compares the recorded
ones with those that Python finds now."""

import json
import math
import sys
from decimal import Decimal, getcontext
from pathlib import Path

import numpy as np

FIXTURE = Path(__file__).resolve().parent.parent / "fixtures/differential/pac_bayes.json"
getcontext().prec = 60


def exact(value):
    return Decimal(repr(value))


def gaussians():
    random = np.random.default_rng(17)
    for dimensions in [1, 2, 7, 60]:
        for posterior, prior in [(1.0, 1.0), (1e-4, 3e-4), (0.02, 1e-3), (0.5, 0.45)]:
            w, w0 = random.normal(size=(2, dimensions)) * 0.05
            q, p = posterior * np.eye(dimensions), prior * np.eye(dimensions)
            inverse = np.linalg.inv(p)
            difference = w0 - w
            log_determinants = np.linalg.slogdet(p)[1] - np.linalg.slogdet(q)[1]
            kl = 0.5 * (np.trace(inverse @ q) + difference @ inverse @ difference - dimensions + log_determinants)
            distance = math.fsum(difference**2)
            yield {"dimensions": dimensions, "distance": distance, "posterior": posterior, "prior": prior, "kl": float(kl)}


def binomials():
    for n, k in [(10, 3), (384, 4), (147456, 0), (147456, 1180), (147456, 147455), (1048576, 8389), (5000, 2500)]:
        number = math.comb(n, k)
        # math.log takes integers of any size, but rounds them to 53 bits first: enough for 15 digits.
        yield {"n": n, "k": k, "ln": math.log(number)}


def kl(q, p):
    def term(q, p):
        return q * (q / p).ln() if q else Decimal(0)

    return term(q, p) + term(1 - q, 1 - p)


def kl_inverse(q, epsilon):
    """The root above q, by Newton's method on kl(q‖p) − ε over the log-odds of p, where it is convex."""
    if q == 0:
        return 1 - (-epsilon).exp()
    if q == 1:
        return Decimal(1)
    # kl(q‖p) grows by at least −(1 − q) ln(1 − p) − H(q): a start above the root.
    z = (epsilon + Decimal(2).ln()) / (1 - q) + 5
    for _ in range(400):
        e = (-z).exp()
        p = 1 / (1 + e)
        # 1 − p, without the cancellation.
        rest = e / (1 + e)
        value = (q * (q / p).ln()) + (1 - q) * ((1 - q) / rest).ln() - epsilon
        step = value / (p - q)
        z -= step
        if abs(step) < Decimal(10) ** -50:
            break
    return 1 / (1 + (-z).exp())


def bounds():
    for risk in [0.0, 0.031, 0.25, 0.6]:
        for complexity in [0.0, 40.0, 900.0, 12000.0]:
            for m, delta in [(8, 0.05), (300, 0.025), (2668, 0.04), (67349, 0.01)]:
                r, k, d = exact(risk), exact(complexity), exact(delta)
                rate = (k + (2 * Decimal(m).sqrt() / d).ln()) / m
                grid = [Decimal(2) ** (Decimal(i) / 2) for i in range(-12, 13)]
                price = (k + (len(grid) / d).ln()) / m
                catoni = min((1 - (-c * r - price).exp()) / (1 - (-c).exp()) for c in grid)
                yield {
                    "risk": risk,
                    "complexity": complexity,
                    "examples": m,
                    "delta": delta,
                    "mcallester": float(r + (rate / 2).sqrt()),
                    "langford_seeger": float(kl_inverse(r, rate)),
                    "catoni": float(catoni),
                }


def find():
    return {"gaussians": list(gaussians()), "binomials": list(binomials()), "bounds": list(bounds())}


def main():
    found = find()
    if "--check" in sys.argv:
        recorded = json.loads(FIXTURE.read_text())
        same = lambda a, b: a == b or abs(a - b) <= 1e-12 * abs(a)
        for kind, rows in found.items():
            assert len(rows) == len(recorded[kind]), kind
            for row, other in zip(rows, recorded[kind]):
                assert row.keys() == other.keys() and all(same(row[key], other[key]) for key in row), (row, other)
        print(f"{sum(map(len, found.values()))} numbers are those recorded")
    else:
        lines = [f'"{kind}":[\n' + ",\n".join(map(json.dumps, rows)) + "\n]" for kind, rows in found.items()]
        FIXTURE.write_text("{" + ",\n".join(lines) + "}\n")


if __name__ == "__main__":
    main()
