"""The whole engine (poll, map, judge, store, mesh) over 10,000 simulated SNMPv3 nodes: processor and memory.

The agents run on the same machine and answer in Python too. What they took and what everybody else took is told
beside the engine's share: polls that did not come through although engine and agents had a processor free each would
be the engine's fault, those of a crowded machine are not.
"""

from __future__ import annotations

import contextlib
import json
import os
import select
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from benchmarks.claim import Claim, main
from console.compose import SHORT_S
from console.demo import SECRETS
from local_store import nodes, tally
from local_store.db import Reader, Store
from local_store.keys import store_key
from mesh_mgmt.inventory import plan_nodes
from mesh_mgmt.inventory_formats import parse_nodes

CONFIG = """[store]
directory = "store"
key = "file"
[engine]
poll_interval_s = {interval_s}
[snmp.demo-v2c]
version = "2c"
community = {{ file = "community" }}
[snmp.demo-v3]
version = "3"
user = "demo"
auth = "sha1"
auth_password = {{ file = "authentication" }}
priv = "aes128"
priv_password = {{ file = "privacy" }}
"""
CAME = 0.98
"""The share of polls that has to come through."""
LEARNT = 2.05
"""Intervals until every node was asked twice: the first times, what it is and how its answers look is learnt."""
SWEPT_S = 130.0
"""By then the mesh service, which is slow beside short intervals, has asked everybody once and placed them."""
WINDOW_S = 40.0
"""A whole number of intervals: in less, not every node has its slot."""


def pause(seconds: float) -> None:
    """Let the others work."""
    select.select([], [], [], seconds)


@contextlib.contextmanager
def process(*command: str) -> Iterator[subprocess.Popen[bytes]]:
    """A child until the end of the block."""
    child = subprocess.Popen([sys.executable, "-m", *command], stdin=subprocess.PIPE, stdout=subprocess.DEVNULL)
    try:
        yield child
    finally:
        child.terminate()
        child.wait(30)


def cpu_s(pid: int) -> float:
    """User and system seconds of a process so far (proc(5))."""
    fields = Path(f"/proc/{pid}/stat").read_text(encoding="ascii").rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def peak_mb(pid: int) -> float:
    """Peak resident memory."""
    line = next(
        x for x in Path(f"/proc/{pid}/status").read_text(encoding="ascii").splitlines() if x.startswith("VmHWM")
    )
    return int(line.split()[1]) / 1024


def prepare(place: Path, count: int, interval_s: int) -> None:
    """Configuration, secrets and inventory; every node speaks v3."""
    for name, text in {**SECRETS, "leitstand.toml": CONFIG.format(interval_s=interval_s)}.items():
        (place / name).write_text(text, encoding="utf-8")
        (place / name).chmod(0o600)
    text = (place / "city" / "nodes.csv").read_text(encoding="utf-8").replace("demo-v2c", "demo-v3")
    rows, rejected = parse_nodes(text, "csv")
    store = Store(place / "store", store_key(place / "store", "file").raw)
    plan = plan_nodes(rows, {}, rejected)
    assert len(plan.new) == count
    store.ops.write(lambda cx: nodes.upsert_nodes(cx, plan.rows(), time.time_ns() // 1_000_000))
    store.close()


def polls(place: Path) -> int:
    """Good polls the store counts."""
    reader = Reader(place / "store", store_key(place / "store", "file", create=False).raw)
    with contextlib.closing(reader):
        return reader.read(tally.read).get("polls_ok", 0)


def busy_s() -> float:
    """Seconds all processors of this machine worked so far, for whomever (proc(5))."""
    words = Path("/proc/stat").read_text(encoding="ascii").splitlines()[0].split()[1:]
    user, nice, system, _idle, _waiting, *interrupts = map(int, words[:8])
    return (user + nice + system + sum(interrupts)) / os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True, slots=True)
class Measured:
    """Of one window: cores used by the engine, the simulated agents and all others, polls a second, peak memory."""

    cores: float
    agents: float
    others: float
    rate: float
    memory_mb: float


def window(place: Path, engine: int, city: int, window_s: float) -> Measured:
    """Watch both processes for so long."""
    begun, done = time.monotonic(), polls(place)
    before = cpu_s(engine), cpu_s(city), busy_s()
    pause(window_s)
    own, agents, busy = (
        after - earlier for after, earlier in zip((cpu_s(engine), cpu_s(city), busy_s()), before, strict=True)
    )
    rate = polls(place) - done
    elapsed = time.monotonic() - begun
    others = max(0.0, busy - own - agents)
    return Measured(own / elapsed, agents / elapsed, others / elapsed, rate / elapsed, peak_mb(engine))


def measure(count: int, interval_s: int, warm_s: float, window_s: float) -> Measured:
    """A city, an engine over it that has warmed up, and a window."""
    with tempfile.TemporaryDirectory() as name:
        place = Path(name)
        city = ["device_drivers.simcity", str(place / "city"), "--nodes", str(count), "--bins", "0", "--stations", "0"]
        with process(*city, "--well", "--until-stdin-closes") as agents:
            deadline = time.monotonic() + 120
            while not (place / "city" / "ready.json").exists() and time.monotonic() < deadline:
                pause(0.1)
            json.loads((place / "city" / "ready.json").read_text(encoding="utf-8"))
            prepare(place, count, interval_s)
            with process("console", "collect", "--config", str(place / "leitstand.toml")) as engine:
                pause(warm_s)
                return window(place, engine.pid, agents.pid, window_s)


def claims(interval_s: int, target: float, quick: bool) -> list[Claim]:
    """What one interval costs; quick takes a fifth of the nodes and scales the target with them."""
    count = 2_000 if quick else 10_000
    limit = target * count / 10_000
    warm_s = LEARNT * interval_s if interval_s > SHORT_S else SWEPT_S
    one = measure(count, interval_s, warm_s, max(WINDOW_S, interval_s))
    what = f"engine, {count:,} nodes v3 every {interval_s} s"
    seen = (
        f"none; {one.rate:.0f} of {count / interval_s:.0f} polls/s came through; beside it the simulated agents "
        f"took {one.agents:.2f} cores, others {one.others:.2f}"
    )
    held = one.rate > CAME * count / interval_s and one.cores <= limit
    return [
        Claim(what, round(one.cores, 3), "cores", f"<= {limit:g}", seen, None, held),
        Claim(f"{what}, memory", round(one.memory_mb), "MB", "< 300", "none", None, one.memory_mb < 300),
    ]


def run(quick: bool) -> list[Claim]:
    """Every minute, which is usual."""
    return claims(60, 0.2, quick)


if __name__ == "__main__":
    main(run)
