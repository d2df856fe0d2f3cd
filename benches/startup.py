#!/usr/bin/env python3
"""Measures start-up: time of `--help`, time to Home's first frame in a pseudo-terminal, and memory and processor time of an idle Home.

usage: startup.py [PROGRAM] [REPEATS]
"""
import fcntl
import os
import pty
import select
import signal
import statistics
import struct
import subprocess
import sys
import tempfile
import termios
import time

# Part of Home's first frame; the alternate screen is entered earlier.
FRAME = b"Presets"


def help_seconds(program):
    start = time.perf_counter()
    subprocess.run([program, "--help"], stdout=subprocess.DEVNULL, check=True)
    return time.perf_counter() - start


def home(program, folder, rest):
    """Seconds to the first frame, and resident and private bytes after `rest` idle seconds."""
    start = time.perf_counter()
    pid, terminal = pty.fork()
    if pid == 0:
        os.chdir(folder)
        os.environ["TERM"] = "xterm-256color"
        os.execv(program, [program])
    fcntl.ioctl(terminal, termios.TIOCSWINSZ, struct.pack("HHHH", 40, 120, 0, 0))
    seen, first = b"", None
    until = time.perf_counter() + 20
    while time.perf_counter() < until:
        if not select.select([terminal], [], [], 0.05)[0]:
            continue
        try:
            seen += os.read(terminal, 65536)
        except OSError:
            break
        if first is None and FRAME in seen:
            first = time.perf_counter() - start
            until = time.perf_counter() + rest
    memory = {}
    for line in open(f"/proc/{pid}/smaps_rollup"):
        name, _, value = line.partition(":")
        if name in ("Rss", "Private_Dirty"):
            memory[name] = int(value.split()[0]) * 1024
    ticks = sum(map(int, open(f"/proc/{pid}/stat").read().rsplit(")", 1)[1].split()[11:13]))
    os.kill(pid, signal.SIGTERM)
    os.waitpid(pid, 0)
    os.close(terminal)
    if first is None:
        sys.exit(f"no frame of Home within 20 s; output ends with {seen[-300:]!r}")
    return first, memory, ticks / os.sysconf("SC_CLK_TCK")


def main():
    program = os.path.abspath(sys.argv[1] if len(sys.argv) > 1 else "target/release/finesift")
    repeats = int(sys.argv[2]) if len(sys.argv) > 2 else 7
    helps = [help_seconds(program) for _ in range(repeats)]
    with tempfile.TemporaryDirectory() as folder:
        homes = [home(program, folder, 0.5) for _ in range(repeats)]
        _, memory, processor = home(program, folder, 6)
    for what, values in (("--help", helps), ("Home's first frame", [first for first, _, _ in homes])):
        print(f"{what:20} {statistics.median(values):.3f} s, min {min(values):.3f}")
    print(f"{'idle Home':20} {memory['Rss'] / 2**20:.0f} MiB resident, {memory['Private_Dirty'] / 2**20:.0f} MiB of them private; "
          f"{processor:.2f} s of processor time since the start")


if __name__ == "__main__":
    main()
