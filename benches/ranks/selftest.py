"""Checks of the arithmetic against counts that are known otherwise, and of the simulation against cases with an obvious answer."""
from .arithmetic import Slot, buckets, full_slots, models, probed, ring_share, sift_slots, step_bytes, targets_components, trained
from .measure import of_events, simulated, wrong_bytes
from .simulation import GPUS, HOSTS, Compute, Link, Network, Timeline, Work, mean_step, step, weights


def run():
    checks = [check for name, check in sorted(globals().items()) if name.startswith("check_")]
    for check in checks:
        check()
    print(f"{len(checks)} checks passed")


def equal(found, expected, what=""):
    if found != expected:
        raise SystemExit(f"{what}: {found!r}, expected {expected!r}")


def close(found, expected, what=""):
    if abs(found - expected) > 1e-9 * max(1.0, abs(expected)):
        raise SystemExit(f"{what}: {found!r}, expected {expected!r}")


def check_components():
    found = models()
    for name, total in (("MiniLM", 22_713_986), ("RoBERTa-large", 355_361_794), ("SmolLM2-135M", 134_515_008),
                        ("Llama-7B", 6_738_415_616), ("Llama-3-8B", 8_030_261_248)):
        equal(found[name].total, total, name)
    demo, roberta = sift_slots(found["MiniLM"], 0.008), sift_slots(found["RoBERTa-large"], 0.008)
    equal((trained(demo), targets_components(demo)), (28_416 + 770, 3_548_160), "the demo")
    equal(sum(slot.trained for slot in roberta if slot.sparse), 806_208, "the paper's RoBERTa-large")
    equal(found["Llama-7B"].block_weights, 6_476_005_376, "weights of Llama-7B's blocks")


def check_bytes_are_those_of_a_run():
    demo = sift_slots(models()["MiniLM"], 0.008)
    # The first steps of a run of `demo` with two ranks.
    equal([step_bytes(demo, 4, 10, number) for number in range(5)], [1299468, 1889292, 1301004, 1889292, 1301004], "steps of the demo")
    equal(sum(len(probed(demo, 10, number)) for number in range(10)), 48, "a probe round")
    full = full_slots(models()["MiniLM"])
    equal(step_bytes(full, 4, 10, 3), 4 * 22_713_986 + 4, "full fine-tuning")
    equal([ring_share(ranks) for ranks in (1, 2, 4)], [0.0, 1.0, 1.5], "a ring")


def check_buckets_are_those_of_a_run():
    # The case of src/train/learner/reduction.rs.
    sizes, segments = (300_000, 150_000, 150_000, 150_000, 150_000, 10), (0, 1, 1, 2, 2, 3)
    slots = tuple(Slot(str(number), of, of, segment, False) for number, (of, segment) in enumerate(zip(sizes, segments)))
    equal(buckets(slots, 4), [([5, 3, 4], [300_010]), ([1, 2], [300_000]), ([0], [300_000])], "buckets")
    equal(len(buckets(slots, 1)), 1, "a bucket's least size")
    for model in models().values():
        for found in (sift_slots(model, 0.05), full_slots(model)):
            planned = buckets(found, 4)
            equal(sorted(number for numbers, _ in planned for number in numbers), list(range(len(found))), model.name)
            equal(sum(sum(ranges) for _, ranges in planned), trained(found), model.name)


def check_links():
    network = Network(Link("", 100.0, 0.5, 0.25), trees=False)
    # Six messages of a quarter of the bytes.
    close(network.all_reduce(200.0, 4), 6 * (0.25 + 1.0), "a ring")
    close(network.all_gather(200.0, 4), 3 * (0.25 + 1.0), "a gathered tensor")
    equal(network.all_reduce(200.0, 1), 0.0, "a rank alone")
    close(network._replace(trees=True).all_reduce(0.0, 8), 2 * 3 * 0.25, "a tree")
    hosts = Network(Link("", 100.0, 1.0, 0.0), Link("", 10.0, 1.0, 0.0), per_host=2, trees=False)
    close(hosts.all_reduce(100.0, 4), 1.0 + 5.0, "two hosts of two ranks")
    close(hosts.all_gather(100.0, 4), 0.5 + 2.5, "two hosts of two ranks, gathered")


def check_a_link_beside_a_thread():
    timeline = Timeline(1.0, 1.0)
    first = timeline.issue(2.0)
    timeline.compute(1.5)
    timeline.wait(first)
    close(timeline.now, 2.0, "an operation that is half hidden")
    close(timeline.waited, 0.5, "its wait")
    # Nothing is hidden where both need the same processor.
    shared = Timeline(0.5, 0.5)
    shared.wait(shared.issue(2.0))
    shared.issue(2.0)
    shared.compute(3.0)
    shared.wait(shared.issued)
    close(shared.now, 2.0 + 2.0 + 3.0, "a shared processor")


def check_steps():
    slots = tuple(Slot(str(segment), 1 << 20, 1 << 20, segment, False) for segment in (1, 2))
    compute = Compute(2.0, 4.0, 0.5, (0.0, 1.0, 1.0, 0.0))
    link = Network(Link("", 4 << 20, 1.0, 0.0), trees=False)
    work = Work(slots, 4, 4, 10, link, 1)
    equal(step(compute, work), (6.5, 0.0), "one rank")
    # Two ranks: each bucket takes a second, the first beside the backward pass of the block before; the loss takes none to speak of.
    loss = link.all_reduce(4, 2)
    now, waited = step(compute, work._replace(ranks=2, speeds=(1.0, 1.0)))
    close(now, 6.5 + 1.0 + loss, "the last bucket")
    close(waited, 1.0 + loss, "the wait for it")
    # Micro-batches add up, and only the last one exchanges.
    close(step(compute, work._replace(ranks=2, speeds=(1.0, 1.0), micro_batches=5))[0], 4 * 6.0 + now, "micro-batches")
    # Weights of a block take half a second: on the way forward and back, those of the first block that is reached are waited for.
    now, waited = step(compute, work._replace(ranks=2, speeds=(1.0, 1.0), slots=(), gathered=4 << 20))
    close(now, 6.5 + 2 * 0.5 + loss, "gathers")
    close(waited, 2 * 0.5 + loss, "waits for them")


def check_more_ranks_are_not_faster_than_their_work():
    model = models()["RoBERTa-large"]
    slots, compute = sift_slots(model, 0.008), Compute(0.01, 0.03, 0.001, weights(model))
    for network in (GPUS, HOSTS):
        times = [mean_step(compute, Work(slots, 2, 2, 10, network, ranks))[0] for ranks in (1, 8, 64, 1024)]
        equal(times, sorted(times), "ranks")
        close(times[0], compute.alone, "a rank alone")


def check_events():
    def sample(number, taken, rank_bytes):
        return {"event": "ranks", "ranks": [{"step": number, "step_seconds": taken, "wait_seconds": 0.25, "bytes_per_step": rank_bytes}] * 2}
    demo = sift_slots(models()["MiniLM"], 0.008)
    events = [sample(0, 0.0, 0.0), sample(2, 9.0, (1299468 + 1889292) / 2), sample(3, 2.0, 1301004), sample(3, 2.0, 1301004)]
    found = of_events(events, 2)
    equal((found.step, found.wait, [(last, count) for last, count, _ in found.samples]), (2.0, 0.25, [(2, 2), (3, 1)]), "samples")
    equal(wrong_bytes(found.samples, demo), [], "bytes")
    equal(len(wrong_bytes([(3, 1, 1301008)], demo)), 1, "a difference of 4 bytes")
    close(simulated(demo, 1.0, Network(Link("", 1e30, 1.0, 0.0), trees=False), 4, 2)[0], 2.0, "four ranks on two processors")
