"""A step of several ranks in time: blocks that compute, and a link that sums one bucket after the other beside them."""
import functools
import math
from typing import NamedTuple, Optional

from . import arithmetic


class Link(NamedTuple):
    name: str
    # Bytes per second in one direction, and the share of them that is assumed to arrive.
    bandwidth: float
    efficiency: float
    # Seconds of a message without bytes.
    latency: float

    @property
    def rate(self):
        return self.bandwidth * self.efficiency


# Bandwidths are those of datasheets: 18 links of 25 GB/s and direction of an H100, a 400 Gb/s port per GPU, Ethernet. Efficiencies and
# latencies are assumptions. Of Ethernet: what Gloo gets over a TCP connection, so that 25 GbE is half used.
NVLINK = Link("NVLink 4", 450e9, 0.80, 2e-6)
NDR = Link("InfiniBand NDR", 50e9, 0.85, 5e-6)
ETHERNET_25 = Link("25 GbE", 3.125e9, 0.48, 50e-6)
ETHERNET_1 = Link("1 GbE", 0.125e9, 0.94, 50e-6)
# Gloo moves what is in host memory over one TCP connection.
GLOO = Link("a TCP connection of Gloo", 1.5e9, 1.0, 50e-6)


class Network(NamedTuple):
    """Ranks in hosts of `per_host` on `inner`, and the hosts on `outer`, to which each rank has a port of its own. Without `outer`,
    all ranks are in a ring on `inner`."""
    inner: Link
    outer: Optional[Link] = None
    per_host: int = 8
    # Seconds to start an operation.
    start: float = 0.0
    # Whether small tensors are summed along a tree.
    trees: bool = True

    def all_reduce(self, size, ranks):
        """Seconds to sum a tensor of so many bytes over all ranks: within each host, and each rank's part between the hosts."""
        if ranks == 1:
            return 0.0
        within, hosts = self.hosts(ranks)
        return self.start + sum_seconds(self.inner, size, within, self.trees) + sum_seconds(self.outer, size / within, hosts, self.trees)

    def all_gather(self, size, ranks):
        """Seconds until each rank has a tensor of so many bytes, of which each had a part."""
        if ranks == 1:
            return 0.0
        within, hosts = self.hosts(ranks)
        time = (within - 1) * (self.inner.latency + size / within / self.inner.rate)
        if hosts > 1:
            time += (hosts - 1) * (self.outer.latency + size / ranks / self.outer.rate)
        return self.start + time

    def hosts(self, ranks):
        """Ranks of a host, and the number of hosts."""
        within = min(ranks, self.per_host) if self.outer else ranks
        return within, ranks // within


def sum_seconds(link, size, ranks, trees):
    """In a ring each rank sends 2 (n - 1) parts of n, one after the other; along a tree all bytes twice, in few messages."""
    if ranks == 1:
        return 0.0
    ring = 2 * (ranks - 1) * (link.latency + size / ranks / link.rate)
    tree = 2 * math.ceil(math.log2(ranks)) * link.latency + 2 * size / link.rate
    return min(ring, tree) if trees else ring


# As NCCL would: between GPUs, without the host.
GPUS = Network(NVLINK, NDR, start=10e-6)
# As finesift does.
HOSTS = Network(GLOO, start=50e-6, trees=False)


class Compute(NamedTuple):
    """Seconds of a rank: of a micro-batch's forward and backward pass, and of clipping and the optimizer. The first two are shared by
    the segments, embeddings to head, as `weights` says."""
    forward: float
    backward: float
    update: float
    weights: tuple

    @property
    def segments(self):
        return len(self.weights)

    @property
    def alone(self):
        return self.forward + self.backward + self.update


class Timeline:
    """A rank's thread, and the link. While both work, each has a share of its speed: on a GPU almost all of it, on a machine whose
    processors all compute half of it."""

    def __init__(self, compute_speed, link_speed):
        self.now, self.waited = 0.0, 0.0
        self.issued, self.done = 0.0, 0.0
        self.speeds = compute_speed, link_speed

    def issue(self, seconds):
        """Queues an operation. Returns its place, for `wait`."""
        self.issued += seconds
        return self.issued

    def compute(self, seconds):
        compute_speed, link_speed = self.speeds
        queued = self.issued - self.done
        both = min(seconds / compute_speed, queued / link_speed)
        self.done += both * link_speed
        self.now += both
        self.now += max(seconds - both * compute_speed, 0.0)

    def wait(self, place):
        left = max(place - self.done, 0.0)
        self.done += left
        self.now += left
        self.waited += left


class Work(NamedTuple):
    """What is trained, on how many ranks, and how they exchange it."""
    slots: list
    # Bytes of a component of the gradient, by which buckets are made.
    element: int
    # Bytes of a component on the link.
    sent: int
    probe_every: int
    network: Network
    ranks: int
    micro_batches: int = 1
    # Bytes of a block's weights that are gathered before each pass; none without train.shard.
    gathered: float = 0.0
    # Speeds of computing and of the link while both work.
    speeds: tuple = (0.95, 1.0)

    def sum_seconds(self, components):
        return self.network.all_reduce(self.sent * components, self.ranks)


def step(compute, work, number=0):
    """Seconds of an optimizer step, counted from 0, and those in which the thread waits."""
    timeline = Timeline(*work.speeds)
    last = work.micro_batches - 1
    for micro in sorted({0, min(1, last), last}):
        before = timeline.now, timeline.waited
        probes = arithmetic.probed(work.slots, work.probe_every, number) if micro == 0 else []
        walk(timeline, compute, compute.forward, work, range(compute.segments))
        backward = Backward(timeline, compute, work, probes, sums=micro == last)
        walk(timeline, compute, compute.backward, work, range(compute.segments)[::-1], backward.leave)
        backward.finish()
        if 0 < micro < last:
            # Those between the first and the last are alike.
            timeline.now += (last - 2) * (timeline.now - before[0])
            timeline.waited += (last - 2) * (timeline.waited - before[1])
    timeline.wait(timeline.issue(work.network.all_reduce(arithmetic.LOSS, work.ranks)))
    timeline.compute(compute.update)
    return timeline.now, timeline.waited


def mean_step(compute, work):
    """The mean of a probe round."""
    steps = [step(compute, work, number) for number in range(work.probe_every)]
    return tuple(sum(column) / len(steps) for column in zip(*steps))


def walk(timeline, compute, seconds, work, order, leave=None):
    """A pass over the segments. The weights of a block are gathered while the one before computes."""
    gather = work.network.all_gather(work.gathered, work.ranks) if work.gathered else 0.0
    blocks = range(1, compute.segments - 1)
    gathering, total = {}, sum(compute.weights)
    for segment, following in zip(order, [*order[1:], None]):
        if gather and following in blocks:
            gathering[following] = timeline.issue(gather)
        if segment in gathering:
            timeline.wait(gathering[segment])
        timeline.compute(seconds * compute.weights[segment] / total)
        if leave:
            leave(segment)


class Backward:
    """What a backward pass exchanges."""

    def __init__(self, timeline, compute, work, probes, sums):
        self.timeline, self.work = timeline, work
        head = compute.segments - 1
        self.probes, self.measuring = {}, None
        for probe in probes:
            self.probes.setdefault(segment_of(probe, head), []).append(probe.components)
        self.buckets = list(planned(work.slots, work.element, head)) if sums else []

    def leave(self, segment):
        """The gradients of a segment are there."""
        if segment in self.probes:
            issued = [self.timeline.issue(self.work.sum_seconds(components)) for components in self.probes[segment]]
            # The dense gradients of one segment at a time are kept.
            self.measure()
            self.measuring = issued[-1]
        while self.buckets and self.buckets[0][0] >= segment:
            for components in self.buckets.pop(0)[1]:
                self.timeline.issue(self.work.sum_seconds(components))

    def measure(self):
        if self.measuring is not None:
            self.timeline.wait(self.measuring)

    def finish(self):
        self.measure()
        # Without buckets nothing else is on the link.
        self.timeline.wait(self.timeline.issued)


def segment_of(slot, head):
    """An lm_head of its own comes with the head."""
    return min(slot.segment, head)


@functools.lru_cache(maxsize=None)
def planned(slots, element, head):
    """Of each bucket, the segment that completes it, and the sizes of its ranges."""
    return tuple((min(segment_of(slots[number], head) for number in numbers), ranges)
                 for numbers, ranges in arithmetic.buckets(slots, element))


def weights(model):
    """Components that each segment multiplies with, embeddings to head: what its time goes by. A classifier's head has one token per row."""
    found = [0.0] * (model.blocks + 2)
    for parameter in model.parameters:
        if parameter.is_block_linear:
            found[parameter.segment] += parameter.components
    if not model.dense:
        # lm_head, or the embedding in its place.
        found[-1] = model.parameters[0].components
    return tuple(found)
