"""Hosts for ranks on one machine: network namespaces with a switch between them, each on a link of a given rate. Needs root and iproute2."""
import contextlib
import ctypes
import os
import subprocess
import sys

CLONE_NEWNET = 0x40000000

PORT = 29500


class Hosts:
    """So many hosts, as long as the value is open. `rate` is that of a link in each direction, as tc writes it: 1gbit."""

    def __init__(self, number, rate):
        self.holders = []
        try:
            switch = self.holder()
            run(switch, "ip link add switch type bridge && ip link set switch up")
            for rank in range(number):
                host = self.holder()
                run(switch, f"ip link add port{rank} type veth peer name cable netns {host} && ip link set port{rank} master switch up && "
                            + limited(f"port{rank}", rate))
                run(host, f"ip link set lo up && ip link set cable up && ip addr add {address(rank)}/16 dev cable && " + limited("cable", rate))
        except BaseException:
            self.close()
            raise

    def holder(self):
        """A process in a namespace of its own, which waits for the end of its input."""
        process = subprocess.Popen(["unshare", "--net", "sh", "-c", "echo there; exec cat"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.holders.append(process)
        if process.stdout.readline() != "there\n":
            sys.exit("no network namespace can be made: a link of a given rate needs root")
        return process.pid

    def host(self, rank):
        """A process on the host of a rank."""
        return self.holders[1 + rank].pid

    def command(self, rank, words):
        return ["nsenter", "--net", "--target", str(self.host(rank)), *words]

    def variables(self, rank, ranks):
        return {"RANK": str(rank), "WORLD_SIZE": str(ranks), "LOCAL_RANK": "0", "LOCAL_WORLD_SIZE": "1", "MASTER_ADDR": address(0),
                "MASTER_PORT": str(PORT)}

    @contextlib.contextmanager
    def entered(self, rank):
        """This process is on the host of a rank: sockets that it opens stay there."""
        with open("/proc/self/ns/net", encoding="utf-8") as own, open(f"/proc/{self.host(rank)}/ns/net", encoding="utf-8") as host:
            enter(host)
            try:
                yield
            finally:
                enter(own)

    def close(self):
        for process in self.holders:
            process.kill()
            process.communicate()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()


def address(rank):
    return f"10.77.{(rank + 1) // 256}.{(rank + 1) % 256}"


def enter(namespace):
    if ctypes.CDLL(None, use_errno=True).setns(namespace.fileno(), CLONE_NEWNET) != 0:
        raise OSError(ctypes.get_errno(), "setns")


def limited(interface, rate):
    """What is sent there is no faster: as much at once as a kernel hands over in a tick, and no packet is lost."""
    return f"tc qdisc add dev {interface} root tbf rate {rate} burst 512kb limit 64mb"


def run(process, script):
    subprocess.run(["nsenter", "--net", "--target", str(process), "sh", "-c", script], check=True)
