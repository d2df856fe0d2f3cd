#!/usr/bin/env python3
"""Reads what gpu-check.sh measured, prints it, and keeps it as JSON lines in the results file. Needs Python 3.9 and nothing else.

usage: gpu_report.py RESULTS bench SHAPE < LINES          the lines of `finesift bench --json`
       gpu_report.py RESULTS peers SHAPE < LINES          the lines of gpu_peers.py --json
       gpu_report.py RESULTS tests NAME LOG               the output of a test binary
       gpu_report.py RESULTS same NAME RUN RUN            whether two runs have the same steps and the same last checkpoint
       gpu_report.py RESULTS speed NAME RUN               tokens per second and GPU utilization of a run
       gpu_report.py RESULTS note NAME STATUS TEXT        a part that was skipped or failed
       gpu_report.py RESULTS goals                        the final table
"""
import json
import re
import statistics
import sys
from pathlib import Path

# Steps of a run that are not measured: a GPU's first ones choose kernels.
WARM_UP = 20

# Goals on an NVIDIA H100: shape and method of a benchmark, the value, the largest (<=) or smallest (>=) that meets it, and its unit.
GOALS = [
    ("RoBERTa-large 32x128, bf16", "sift-sampled", "median", "<=", 0.022, "s"),
    ("RoBERTa-large 32x128, bf16", "sift-columns", "median", "<=", 0.022, "s"),
    ("RoBERTa-large 32x128, tf32", "sift-sampled", "median", "<=", 0.036, "s"),
    ("RoBERTa-large 32x128, tf32", "sift-columns", "median", "<=", 0.036, "s"),
    ("Llama-7B 1x2048, bf16, 5 %", "sift-sampled", "median", "<=", 0.190, "s"),
    ("Llama-7B 1x2048, bf16, 5 %", "sift-columns", "median", "<=", 0.150, "s"),
    ("Llama-7B 1x2048, bf16, 5 %, checkpointing", "sift-sampled", "median", "<=", 0.25, "s"),
    ("Llama-7B 1x2048, bf16, 5 %, checkpointing", "sift-sampled", "steps_peak", "<=", 20.0, "GiB"),
    ("Llama-7B 1x2048, bf16, 5 %, checkpointing", "sift-columns", "median", "<=", 0.25, "s"),
    ("Llama-7B 1x2048, bf16, 5 %, checkpointing", "sift-columns", "steps_peak", "<=", 20.0, "GiB"),
    ("Llama-13B 1x2048, bf16, 1 %, offload", "sift-sampled", "steps_peak", "<=", 16.0, "GiB"),
    ("Llama-3-8B 2x4096, bf16, 1 %", "sift-columns", "tokens_per_second", ">=", 14_000.0, "tokens/s"),
]
# The demo meets its goal by either.
DEMO_UTILIZATION, DEMO_SPEED = 85.0, 106_000.0

COLUMNS = "{:22} {:>14} {:>10} {:>10} {:>11} {:>11} {:>11} {:>8}"


class Results:
    """A file of JSON lines."""

    def __init__(self, path):
        self.path = Path(path)

    def add(self, kind, **values):
        with open(self.path, "a", encoding="utf-8") as file:
            file.write(json.dumps({"kind": kind, **values}) + "\n")

    def read(self):
        if not self.path.exists():
            return []
        return [json.loads(line) for line in open(self.path, encoding="utf-8")]


def number(value, decimals=0):
    return "-" if value is None else f"{value:,.{decimals}f}"


def size(value):
    return "-" if value is None else f"{value / 2**30:.2f} GiB"


def lines_of(stream):
    """JSON lines; others are messages, which are printed."""
    for line in stream:
        try:
            yield json.loads(line)
        except json.JSONDecodeError:
            print(line.rstrip())


def bench(results, shape):
    for report in lines_of(sys.stdin):
        estimate = sum(part["bytes"] for part in report.get("plan") or []) or None
        peak = report.get("steps_peak")
        off = 100 * (estimate / peak - 1) if estimate and peak else None
        results.add("bench", shape=shape, estimate=estimate, off=off, **report)
        row(report, peak, size(estimate), "-" if off is None else f"{off:+.1f} %")


def peers(results, shape):
    for report in lines_of(sys.stdin):
        results.add("peer", shape=shape, **report)
        row(report, report.get("reserved"), "", "")
        if report.get("warm_up"):
            print(f"  after {report['warm_up']:.1f} s of warm-up")


def row(report, memory, estimate, off):
    """A method's line: what it trains, its time and memory, and for finesift the estimate and its error."""
    print(COLUMNS.format(report["method"], number(report.get("trained")), number(report.get("median"), 4), number(report.get("least"), 4),
                         number(report.get("tokens_per_second")), size(memory), estimate, off).rstrip())
    if report.get("failed"):
        print(f"  {report['failed']}")


def tests(results, name, log):
    text = Path(log).read_text(encoding="utf-8", errors="replace")
    found = re.findall(r"^test (\S+)(?: - should panic)? \.\.\. (\w+)", text, re.M)
    count = {outcome: sum(1 for _, other in found if other == outcome) for outcome in ("ok", "FAILED", "ignored")}
    failed = [test for test, outcome in found if outcome == "FAILED"]
    ended = re.search(r"^test result: ", text, re.M) is not None
    results.add("tests", name=name, passed=count["ok"], failed=failed, ended=ended)
    skipped = re.findall(r"^skipped on .*", text, re.M)
    print(f"{count['ok']} passed, {len(failed)} failed, {count['ignored']} ignored{'' if ended else '; the tests did not end'}")
    for line in re.findall(r"^.* off by .*", text, re.M) + skipped:
        print(f"  {line}")
    for test in failed:
        print(f"  FAILED {test}")
    # Why they failed, and not more than fits a screen.
    for panic in re.findall(r"^thread '.*panicked at[^\n]*\n[^\n]*", text, re.M)[:8]:
        print(f"  {panic}".replace("\n", "\n    "))


def events(run, kind):
    found = (json.loads(line) for line in open(Path(run) / "events.jsonl", encoding="utf-8"))
    return [event for event in found if event["event"] == kind]


def same(results, name, first, second):
    def steps(run):
        # A resumed run repeats steps that were after its checkpoint.
        return {step["step"]: (step["loss"], step["grad_norm"]) for step in events(run, "step")}

    def checkpoint(run):
        newest = max((Path(run) / "checkpoints").glob("step-*"), default=None)
        return newest and (newest.name, (newest / "state.safetensors").read_bytes())

    before, after = steps(first), steps(second)
    differing = sorted(step for step in before.keys() | after.keys() if before.get(step) != after.get(step))
    checkpoints = checkpoint(first) == checkpoint(second) and checkpoint(first) is not None
    equal = bool(before) and not differing and checkpoints
    results.add("same", name=name, equal=equal, steps=len(before))
    if equal:
        print(f"{name}: losses and gradient norms of {len(before)} steps and the last checkpoints are equal to the bit")
    else:
        first_off = f"from step {differing[0]}" if differing else "in the last checkpoints alone"
        print(f"{name}: they differ {first_off} ({len(differing)} of {len(before)} steps)")


def speed(results, name, run):
    steps = events(run, "step")
    fast = [step["tokens_per_second"] for step in steps[min(WARM_UP, len(steps) // 2):]]
    samples = [event["gpu"]["utilization"] for event in events(run, "system") if event.get("gpu")]
    # The first sample is of loading, the last of writing the end.
    within = samples[1:-1] or samples
    values = {
        "tokens_per_second": statistics.median(fast) if fast else None,
        "utilization": statistics.mean(within) if within else None,
        "seconds": steps[-1]["elapsed"] if steps else None,
    }
    results.add("speed", name=name, steps=len(steps), samples=len(samples), **values)
    print(f"{name}: {len(steps)} steps in {number(values['seconds'], 1)} s of training time, median {number(values['tokens_per_second'])} tokens/s, "
          f"GPU {number(values['utilization'])} % busy ({len(samples)} samples)")


def note(results, name, status, text):
    results.add("note", name=name, status=status, text=text)
    print(f"{status}: {text}")


def goals(results):
    found = results.read()
    of = lambda kind: [result for result in found if result["kind"] == kind]
    measured = {(result["shape"], result["method"]): result for result in of("bench")}
    line = lambda *cells: print("{:62} {:>20} {:>16}  {}".format(*cells))
    line("goal (NVIDIA H100)", "to meet", "measured", "")
    for suite in of("tests"):
        outcome = f"{suite['passed']} of {suite['passed'] + len(suite['failed'])}"
        met = suite["ended"] and not suite["failed"] and suite["passed"] > 0
        line(f"tests: {suite['name']}", "all pass", outcome, verdict(met))
    for result in of("same"):
        line(result["name"], "equal to the bit", "equal" if result["equal"] else "different", verdict(result["equal"]))
    for result in of("speed")[-1:]:
        busy, tokens = result["utilization"], result["tokens_per_second"]
        met = (busy or 0) >= DEMO_UTILIZATION or (tokens or 0) >= DEMO_SPEED
        line("demo, GPU busy", f">= {DEMO_UTILIZATION:.0f} %, or", f"{number(busy)} %", verdict(met) if busy is not None else "not measured")
        line("demo, speed", f">= {DEMO_SPEED:,.0f} tok/s", f"{number(tokens)} tok/s", verdict(met) if tokens else "not measured")
    for shape, method, value, bound, limit, unit in GOALS:
        amount = measured.get((shape, method), {}).get(value)
        amount = amount / 2**30 if amount is not None and unit == "GiB" else amount
        met = "not measured" if amount is None else verdict(amount <= limit if bound == "<=" else amount >= limit)
        digits = {"s": 4, "GiB": 2}.get(unit, 0)
        line(f"{shape}, {method}", f"{bound} {limit:,.{min(digits, 3)}f} {unit}", f"{number(amount, digits)} {unit}", met)
    estimates = [result for result in of("bench") if result["off"] is not None]
    if estimates:
        print("\nmemory: estimate beside what the driver shows for the process (on a CPU: resident memory)")
        for result in estimates:
            print(f"  {result['shape'] + ', ' + result['method']:60} {size(result['estimate']):>11} {size(result['steps_peak']):>11} {result['off']:+7.1f} %")
    for result in of("note"):
        print(f"{result['status']}: {result['name']}: {result['text']}")


def verdict(met):
    return "met" if met else "NOT MET"


def main():
    commands = {function.__name__: function for function in (bench, peers, tests, same, speed, note, goals)}
    if len(sys.argv) < 3 or sys.argv[2] not in commands:
        sys.exit(__doc__)
    commands[sys.argv[2]](Results(sys.argv[1]), *sys.argv[3:])


if __name__ == "__main__":
    main()
