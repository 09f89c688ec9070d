"""The whole engine (poll, map, judge, store, encrypted) over 10,000 simulated SNMPv3 nodes: processor and memory."""

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
from pathlib import Path

from benchmarks.claim import Claim, main
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


def measure(count: int, interval_s: int, warm_s: float, window_s: float) -> tuple[float, float, float]:
    """Cores used, peak memory in MB, and good polls per second in the window."""
    with tempfile.TemporaryDirectory() as name:
        place = Path(name)
        city = ["device_drivers.simcity", str(place / "city"), "--nodes", str(count), "--bins", "0", "--stations", "0"]
        with process(*city, "--well", "--until-stdin-closes"):
            deadline = time.monotonic() + 120
            while not (place / "city" / "ready.json").exists() and time.monotonic() < deadline:
                pause(0.1)
            json.loads((place / "city" / "ready.json").read_text(encoding="utf-8"))
            prepare(place, count, interval_s)
            with process("console", "collect", "--config", str(place / "leitstand.toml")) as engine:
                pause(warm_s)
                before, begun, done = cpu_s(engine.pid), time.monotonic(), polls(place)
                pause(window_s)
                used, elapsed, after = cpu_s(engine.pid) - before, time.monotonic() - begun, polls(place)
                return used / elapsed, peak_mb(engine.pid), (after - done) / elapsed


def run(quick: bool) -> list[Claim]:
    """Both intervals; quick takes a fifth of the nodes and scales the target with them."""
    count = 2_000 if quick else 10_000
    found: list[Claim] = []
    for interval_s, target in ((60, 0.2), (10, 0.8)):
        limit = target * count / 10_000
        window_s = 30.0 if quick else 2.0 * max(interval_s, 30)
        cores, memory_mb, rate = measure(count, interval_s, interval_s + 15, window_s)
        what = f"engine, {count:,} nodes v3 every {interval_s} s"
        seen = f"none; {rate:.0f} of {count / interval_s:.0f} polls/s came through"
        came = rate > 0.9 * count / interval_s
        found.append(Claim(what, round(cores, 3), "cores", f"<= {limit:g}", seen, None, came and cores <= limit))
        found.append(Claim(f"{what}, memory", round(memory_mb), "MB", "< 300", "none", None, memory_mb < 300))
    return found


if __name__ == "__main__":
    main(run)
