"""The node list with 10,000 nodes and 1,000 changes a second, through a real pseudo-terminal of 80x24.

The peer is a `DataTable` over the same store in the same run.
"""

from __future__ import annotations

import contextlib
import fcntl
import multiprocessing
import os
import pty
import re
import select
import signal
import struct
import subprocess
import sys
import tempfile
import termios
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from benchmarks.claim import Claim, main
from local_store import nodes, view_settings
from local_store.db import Database, Store
from local_store.keys import KEY_FILE
from local_store.lease import Lease
from tests.conftest import KEY
from tests.tui.city import node, state_of

ROWS, COLUMNS = 24, 80
CHANGES_PER_S = 1_000
VIEW = "watched"
TICK_S = 0.1
CONFIG = '[store]\ndirectory = "store"\nkey = "file"\n[ui]\nlang = "en"\n'
NAME = re.compile(rb"ge-tst-\d{4}")
STEP = re.compile(rb"\x1b\[([\d;:?]*)([A-Za-z])|[^\x1b]+|\x1b.?")


def selected(stream: bytes) -> list[bytes]:
    """The node names that this output draws reversed, so in the selected row: the reversed top line holds none."""
    found, reverse = [], False
    for step in STEP.finditer(stream):
        if step[2] == b"m":
            codes = step[1].split(b";")
            reverse = b"7" in codes or (reverse and b"0" not in codes and codes != [b""])
        elif reverse:
            found += NAME.findall(step[0])
    return found


def fill(place: Path, count: int) -> Store:
    """A store of many nodes whose key lies in a file, as the child will look for it."""
    directory = place / "store"
    directory.mkdir(mode=0o700)
    (directory / KEY_FILE).write_text(KEY.hex() + "\n", encoding="ascii")
    (directory / KEY_FILE).chmod(0o600)
    (place / "leitstand.toml").write_text(CONFIG, encoding="utf-8")
    store = Store(directory, KEY)
    many = [replace(node(at), node_id=f"ge-tst-{at:04}", uplink="") for at in range(count)]
    store.ops.write(lambda cx: nodes.upsert_nodes(cx, many, 1))
    states = [replace(state_of(at % 60), node_id=f"ge-tst-{at:04}") for at in range(count)]
    store.telemetry.write(lambda cx: nodes.save_states(cx, states))
    view = {VIEW: {"list": "nodes", "filter": "", "sort": "node"}}
    store.ops.write(lambda cx: view_settings.keep(cx, view_settings.SAVED, view))
    return store


def change(directory: Path, count: int) -> None:
    """1,000 changed states a second in ten transactions, until killed."""
    database = Database(directory / "telemetry.db", KEY)
    at, tick = 0, time.monotonic()
    while True:
        now = time.time_ns() // 1_000_000
        batch = []
        for _ in range(int(CHANGES_PER_S * TICK_S)):
            at = (at + 7919) % count
            one = state_of(at % 60)
            batch.append(replace(one, node_id=f"ge-tst-{at:04}", rtt_ms=float(now % 997) / 10, seen_ms=now))
        database.write(lambda cx, rows=batch: nodes.save_states(cx, rows))
        tick += TICK_S
        select.select([], [], [], max(0.0, tick - time.monotonic()))


@contextlib.contextmanager
def changing(directory: Path, count: int) -> Iterator[None]:
    """The changes, from another process."""
    process = multiprocessing.get_context("spawn").Process(target=change, args=(directory, count), daemon=True)
    process.start()
    try:
        yield
    finally:
        process.kill()
        process.join()


class Terminal:
    """A program in a pseudo-terminal."""

    def __init__(self, arguments: Sequence[str]) -> None:
        self.begun = time.monotonic()
        self.pid, self.master = pty.fork()
        if self.pid == 0:
            os.environ.update(TERM="xterm-256color", COLORTERM="truecolor", LINES=str(ROWS), COLUMNS=str(COLUMNS))
            os.execv(sys.executable, [sys.executable, "-m", *arguments])
        fcntl.ioctl(self.master, termios.TIOCSWINSZ, struct.pack("HHHH", ROWS, COLUMNS, 0, 0))
        self.name = b""

    def read(self, seconds: float) -> bytes:
        """Everything that comes within this time."""
        out, deadline = bytearray(), time.monotonic() + seconds
        while (left := deadline - time.monotonic()) > 0:
            if select.select([self.master], [], [], left)[0]:
                out += os.read(self.master, 65_536)
        self.name = (selected(bytes(out)) or [self.name])[-1]
        return bytes(out)

    def until(self, wanted: bytes, seconds: float) -> float:
        """Seconds since the start of the program until these bytes come."""
        out, deadline = bytearray(), time.monotonic() + seconds
        while time.monotonic() < deadline:
            if select.select([self.master], [], [], 0.5)[0]:
                out += os.read(self.master, 65_536)
                if wanted in out:
                    return time.monotonic() - self.begun
        raise AssertionError(f"{wanted!r} never came: {bytes(out[-300:])!r}")

    def key_ms(self, key: bytes) -> float:
        """From a key until the name of another node is drawn in the selected row."""
        begun, out = time.monotonic(), bytearray()
        os.write(self.master, key)
        while time.monotonic() - begun < 5:
            if select.select([self.master], [], [], 0.5)[0]:
                out += os.read(self.master, 65_536)
                other = [name for name in selected(bytes(out)) if name != self.name]
                if other:
                    self.name = other[-1]
                    return (time.monotonic() - begun) * 1000
        raise AssertionError(f"{key!r} moved nothing from {self.name!r}: {bytes(out[-300:])!r}")

    def close(self) -> None:
        """End it."""
        os.kill(self.pid, signal.SIGTERM)
        os.waitpid(self.pid, 0)
        os.close(self.master)


@dataclass(frozen=True, slots=True)
class Watched:
    """What one program showed."""

    start_s: float
    key_p95_ms: float
    passive_kb_s: float


def watch(arguments: Sequence[str], keys: int, watch_s: float) -> Watched:
    """Start a program that shows the nodes, move its cursor, then only watch."""
    terminal = Terminal(arguments)
    try:
        start_s = terminal.until(b"ge-tst-", 60)
        terminal.read(3.0)
        delays = []
        for at in range(keys):
            delays.append(terminal.key_ms(b"\x1b[B" if at % 24 < 12 else b"\x1b[A"))
            terminal.read(0.03)
        terminal.read(3.0)
        return Watched(start_s, p95(delays), len(terminal.read(watch_s)) / watch_s / 1000)
    finally:
        terminal.close()


def p95(values: list[float]) -> float:
    """The 95th percentile."""
    return sorted(values)[int(len(values) * 0.95)]


def version_s() -> float:
    """The fastest of five starts of `leitstand --version`."""
    times = []
    for _ in range(5):
        begun = time.monotonic()
        subprocess.run([sys.executable, "-m", "console", "--version"], check=True, capture_output=True)
        times.append(time.monotonic() - begun)
    return min(times)


def compiled(place: Path) -> None:
    """Let children keep their compiled modules, as an installed program has them: else each start compiles anew."""
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
    os.environ["PYTHONPYCACHEPREFIX"] = str(place / "compiled")


def ours(place: Path) -> list[str]:
    """The console, which opens with the list of nodes."""
    return ["console", "--config", str(place / "leitstand.toml"), "--view", VIEW]


def overview_s(place: Path) -> float:
    """From the start of `leitstand` to the city's systems."""
    terminal = Terminal(["console", "--config", str(place / "leitstand.toml")])
    try:
        return terminal.until("GEsäubert".encode(), 60)
    finally:
        terminal.close()


def run(quick: bool) -> list[Claim]:
    """One city, one stream of changes, the console and its peer one after the other."""
    count, keys, watch_s = (2_000, 48, 5.0) if quick else (10_000, 192, 20.0)
    with tempfile.TemporaryDirectory() as name:
        place = Path(name)
        with contextlib.closing(fill(place, count)) as store:
            lease = Lease(store, time.time_ns() // 1_000_000)
            compiled(place)
            overview_s(place)
            with changing(place / "store", count):
                select.select([], [], [], 3.0)  # until the writer itself has started
                city_s = overview_s(place)
                own = watch(ours(place), keys, watch_s)
            other = ["benchmarks.table_peer", str(place / "store"), str(CHANGES_PER_S)]
            watch(other, 1, 1.0)
            peer = watch(other, keys, watch_s)
            lease.release()
    return claims(own, peer, city_s, version_s(), count)


def claims(own: Watched, peer: Watched, city_s: float, began: float, count: int) -> list[Claim]:
    """Against the targets and against the peer."""
    what, table = f"{count:,} nodes, {CHANGES_PER_S:,} changes/s", "DataTable"
    slow, rate, first = own.key_p95_ms, own.passive_kb_s, own.start_s
    figures = f"{peer.key_p95_ms:.0f} ms", f"{peer.passive_kb_s:.0f} kB/s", f"{peer.start_s:.1f} s"
    peers = [f"{table} ({figure})" for figure in figures]
    return [
        Claim(f"key to paint p95, {what}", round(slow, 1), "ms", "< 50 ms", peers[0],
              round(slow / peer.key_p95_ms, 3), slow < 50),
        Claim(f"passive output at 80x24, {what}", round(rate, 2), "kB/s", "< 3 kB/s", peers[1],
              round(rate / peer.passive_kb_s, 4), rate < 3),
        Claim(f"start to first rows, {count:,} nodes", round(first, 2), "s", "< 1 s", peers[2],
              round(first / peer.start_s, 3), first < 1),
        Claim(f"start to the overview, {count:,} nodes", round(city_s, 2), "s", "< 1 s", "none", None, city_s < 1),
        Claim("leitstand --version", round(began, 3), "s", "< 0.2 s", "none", None, began < 0.2),
    ]  # fmt: skip


if __name__ == "__main__":
    main(run)
