"""Real runs of 1, 2 and 4 ranks on this machine, beside the simulation of the same: over the loopback interface, or on hosts of their own
with links of a given rate.

Every rank has one thread. What it computes is timed in runs of one process on a rank's part of the batch, as many side by side as there are
processors for ranks; the link is timed by itself. So the simulation gets neither a step nor a wait of several ranks.
"""
import contextlib
import itertools
import json
import os
import select
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from typing import NamedTuple

from . import document, hosts
from .arithmetic import full_slots, models, sift_slots, step_bytes
from .simulation import Compute, Link, Network, Work, mean_step, weights
from .tables import seconds, size, table

BATCH, TOKENS, PROBE_EVERY = 16, 16, 10

# How far a step may be from its simulation, either way. Other programs on the machine hit runs unevenly.
FACTOR = 1.5

# Of the forward pass in a step on a CPU; it decides when buckets are complete, and nothing else where all processors compute.
FORWARD = 1 / 3

# Steps that are not counted: the first ones allocate.
WARM_UP = 2

# Seconds of a run's steps, and how many of them there are at least and at most.
SECONDS, FEWEST, MOST = 8, 8, 120

CASES = {"SIFT, 0.8 %": ("sift", sift_slots(models()["MiniLM"], 0.008)), "full fine-tuning": ("full", full_slots(models()["MiniLM"]))}


# The load average from which other programs disturb: they take another share of a processor from four ranks than from two.
BUSY = 0.5

# Of runs, for their names.
NUMBERS = itertools.count()


class Run(NamedTuple):
    step: float
    wait: float
    # Samples of rank 0: step that they end with, number of steps, bytes of them all.
    samples: list


def run(program, rate=None, path=None):
    """`rate` is that of the hosts' links; without it the ranks share this host."""
    processors = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    print(f"{processors} processors; MiniLM, {BATCH} x {TOKENS} tokens, fp32, one thread per rank, medians", flush=True)
    busy = os.getloadavg()[0]
    if busy > BUSY:
        print(f"the load average is {busy:.1f}: other programs run, and the times below say little", flush=True)
    rows, failures = [], []
    with contextlib.ExitStack() as opened:
        folder = opened.enter_context(tempfile.TemporaryDirectory())
        write_data(folder)
        places = {ranks: opened.enter_context(hosts.Hosts(ranks, rate)) if rate else None for ranks in (2, 4)}
        networks = {ranks: ring(ranks, place) for ranks, place in places.items()}
        for ranks, network in networks.items():
            link, over = network.inner, f"links of {rate}" if rate else "loopback"
            print(f"{over} between {ranks} processes: {size(link.bandwidth)}/s, {seconds(link.latency)} a message", flush=True)
        for case, (method, slots) in CASES.items():
            pilot = statistics.median(runs(program, folder, method, BATCH, 1, FEWEST)[0].samples)
            steps = int(min(max(SECONDS / pilot, FEWEST), MOST))
            # A pilot that is long enough is the run.
            alone = pilot if steps == FEWEST else statistics.median(runs(program, folder, method, BATCH, 1, steps)[0].samples)
            rows.append([case, "1", "0 B", "0 B", "–", seconds(alone), "–", "–", "–"])
            for ranks in (2, 4):
                alone_on_part = (program, folder, method, BATCH // ranks, 1, max(steps // 2, WARM_UP + 3), min(ranks, processors))
                # Before and after, for a machine on which other programs run.
                parts = runs(*alone_on_part)
                found = runs(program, folder, method, BATCH, ranks, steps, place=places[ranks])[0]
                parts += runs(*alone_on_part)
                part = statistics.median(sum((run.samples for run in parts), []))
                predicted, wait = simulated(slots, part, networks[ranks], ranks, processors, limited=rate is not None)
                wrong = wrong_bytes(found.samples, slots)
                ratio = found.step / predicted
                rows.append([case, str(ranks), *bytes_cells(found.samples, slots), seconds(predicted), seconds(found.step),
                             f"{ratio:.2f}", seconds(wait), seconds(found.wait)])
                print("| " + " | ".join(rows[-1]) + " |", flush=True)
                failures += [f"{case}, {ranks} ranks: {message}" for message in wrong]
                if not 1 / FACTOR <= ratio <= FACTOR:
                    failures.append(f"{case}, {ranks} ranks: a step takes {ratio:.2f} of what is simulated, more than a factor of {FACTOR}")
    head = ["", "ranks", "bytes per step, computed", "measured", "step, simulated", "measured", "ratio", "wait, simulated", "measured"]
    found = [table(head, rows)]
    print("\n".join(["", *document.content(found)]))
    if path:
        document.write(path, "measured_links" if rate else "measure", found)
    print("\n".join(failures), file=sys.stderr)
    return 1 if failures else 0


def simulated(slots, part, network, ranks, processors, limited=False):
    """Mean step and wait. `part` is what a rank's part of a step takes beside as many others as there are processors; the link may be
    limited."""
    shared = max(1.0, ranks / processors)
    # Sending over the loopback interface is copying: where every processor computes, both are slower by it. A link of less takes the
    # processors so much less.
    speeds = (0.5, 0.5) if ranks >= processors and not limited else (1.0, 1.0)
    compute = Compute(part * shared * FORWARD, part * shared * (1 - FORWARD), 0.0, weights(models()["MiniLM"]))
    return mean_step(compute, Work(slots, 4, 4, PROBE_EVERY, network, ranks, speeds=speeds))


def bytes_cells(samples, slots):
    """Means of the steps that were sampled: computed, and measured."""
    steps = [step for last, count, _ in samples for step in range(last - count, last)]
    computed = sum(step_bytes(slots, 4, PROBE_EVERY, step) for step in steps) / len(steps)
    return [f"{computed:,.0f}", f"{sum(total for _, _, total in samples) / len(steps):,.0f}"]


def wrong_bytes(samples, slots):
    found = []
    for last, count, total in samples:
        computed = sum(step_bytes(slots, 4, PROBE_EVERY, step) for step in range(last - count, last))
        # Means of whole numbers, as floating point.
        if abs(total - computed) > 0.01:
            found.append(f"steps {last - count + 1} to {last}: {total:,.0f} bytes, computed {computed:,}")
    return found


def write_data(folder):
    """Texts of equal length, so that the ranks have equal parts."""
    words = {"positive": "good", "negative": "bad"}
    with open(os.path.join(folder, "data.jsonl"), "w") as opened:
        for number in range(BATCH * 20):
            label = ("positive", "negative")[number % 2]
            opened.write(json.dumps({"text": " ".join([words[label]] * (TOKENS - 2)), "label": label}) + "\n")


def runs(program, folder, method, batch, ranks, steps, beside=1, place=None):
    """Runs side by side, or one on hosts; of one process, `samples` has the seconds of its steps."""
    environment = {name: value for name, value in os.environ.items()
                   if not name.startswith(("SLURM_", "OMPI_", "TORCHELASTIC_")) and name not in ("RANK", "WORLD_SIZE", "LOCAL_RANK")}
    environment.update(OMP_NUM_THREADS="1", RAYON_NUM_THREADS="1", XDG_CONFIG_HOME=folder)
    keys = {"method": method, "data.path": os.path.join(folder, "data.jsonl"), "data.max_length": TOKENS, "data.eval_fraction": 0.05,
            "train.batch": batch, "train.max_steps": steps, "train.epochs": 100, "train.eval_every": 10 ** 6, "keep.every_minutes": 0,
            "sift.probe_every": PROBE_EVERY}
    command = [program, "train", "demo", "--json", "--device", "cpu", "--runs", folder]
    command += [word for key, value in keys.items() for word in ("--set", f"{key}={value}")]
    started = []

    def start(words, variables=()):
        piped = dict(stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        started.append(subprocess.Popen(words, env={**environment, **dict(variables)}, **piped))

    for _ in range(beside):
        named = command + ["--run", f"{method}-{next(NUMBERS)}"]
        if place is None:
            start(named + ["--ranks", str(ranks)])
        else:
            for rank in range(ranks):
                start(place.command(rank, named), place.variables(rank, ranks))
    try:
        outputs = [process.communicate() for process in started]
    finally:
        for process in started:
            process.kill()
    for process, (_, errors) in zip(started, outputs):
        if process.returncode != 0:
            sys.exit(f"{' '.join(command)} failed with {process.returncode}: {errors.strip()}")
    # Of several hosts' processes the first one prints.
    return [of_events(map(json.loads, events.splitlines()), ranks) for events, _ in outputs if events]


def of_events(events, ranks):
    if ranks == 1:
        ends = [event["elapsed"] for event in events if event["event"] == "step"]
        return Run(0.0, 0.0, [after - before for before, after in zip(ends[WARM_UP - 1:], ends[WARM_UP:])])
    steps, waits, samples, seen = [], [], [], 0
    for event in events:
        if event["event"] != "ranks":
            continue
        first = event["ranks"][0]
        count = first["step"] - seen
        if count == 0:
            continue
        samples.append((first["step"], count, first["bytes_per_step"] * count))
        if seen >= WARM_UP:
            steps.append(first["step_seconds"])
            # The samples of others may be of a step before.
            waits.append(statistics.mean(rank["wait_seconds"] for rank in event["ranks"]))
        seen = first["step"]
    return Run(statistics.median(steps), statistics.median(waits), samples)


def ring(ranks, place=None):
    """A ring of so many processes over TCP, as Gloo's, each on its host: seconds of a message without bytes, and bytes per second, by two
    sizes."""
    def at(rank):
        return place.entered(rank) if place else contextlib.nullcontext()

    listeners = []
    for rank in range(ranks):
        with at(rank):
            listeners.append(socket.create_server((hosts.address(rank) if place else "127.0.0.1", 0)))
    reading, writing = os.pipe()
    children = []
    for rank in range(ranks):
        child = os.fork()
        if child == 0:
            with at(rank):
                following = socket.create_connection(listeners[(rank + 1) % ranks].getsockname())
            before = listeners[rank].accept()[0]
            times = [round_seconds(following, before, *of) for of in ((64, 200), (4 << 20, 20))]
            if rank == 0:
                os.write(writing, json.dumps(times).encode())
            os._exit(0)
        children.append(child)
    small, large = json.loads(os.read(reading, 1 << 12))
    for child in children:
        os.waitpid(child, 0)
    for opened in listeners:
        opened.close()
    os.close(reading)
    os.close(writing)
    return Network(Link("measured", (4 << 20) / max(large - small, 1e-9), 1.0, small), trees=False)


def round_seconds(following, before, length, rounds):
    """Median seconds in which a process sends so many bytes to the next and gets as many from the one before."""
    following.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    following.setblocking(False)
    before.setblocking(False)
    out, into = memoryview(bytes(length)), memoryview(bytearray(length))
    times = []
    for _ in range(rounds):
        start = time.perf_counter()
        sent = received = 0
        while sent < length or received < length:
            ready, free, _ = select.select([before] if received < length else [], [following] if sent < length else [], [], 60)
            if ready:
                received += before.recv_into(into[received:])
            if free:
                sent += following.send(out[sent:])
        times.append(time.perf_counter() - start)
    return statistics.median(times)
