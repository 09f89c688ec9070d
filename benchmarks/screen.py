"""The node list with 10,000 nodes and 1,000 changes a second, through a real pseudo-terminal of 80x24."""

from __future__ import annotations

import contextlib
import fcntl
import multiprocessing
import os
import pty
import select
import signal
import struct
import subprocess
import sys
import tempfile
import termios
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from benchmarks.claim import Claim, main
from local_store import nodes
from local_store.db import Database, Store
from local_store.keys import KEY_FILE
from local_store.lease import Lease
from tests.conftest import KEY
from tests.tui.city import node, state_of

ROWS, COLUMNS = 24, 80
CHANGES_PER_S = 1_000
TICK_S = 0.1
CONFIG = '[store]\ndirectory = "store"\nkey = "file"\n[ui]\nlang = "en"\n'


def fill(place: Path, count: int) -> Store:
    """A store of many nodes whose key lies in a file, as the child will look for it."""
    directory = place / "store"
    directory.mkdir(mode=0o700)
    (directory / KEY_FILE).write_text(KEY.hex() + "\n", encoding="ascii")
    (directory / KEY_FILE).chmod(0o600)
    (place / "leitstand.toml").write_text(CONFIG, encoding="utf-8")
    store = Store(directory, KEY)
    many = [replace(node(at), node_id=f"ge-tst-{at:05}", uplink="") for at in range(count)]
    store.ops.write(lambda cx: nodes.upsert_nodes(cx, many, 1))
    states = [replace(state_of(at % 60), node_id=f"ge-tst-{at:05}") for at in range(count)]
    store.telemetry.write(lambda cx: nodes.save_states(cx, states))
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
            batch.append(replace(one, node_id=f"ge-tst-{at:05}", rtt_ms=float(now % 997) / 10, seen_ms=now))
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
    """The console in a pseudo-terminal."""

    def __init__(self, place: Path) -> None:
        self.begun = time.monotonic()
        self.pid, self.master = pty.fork()
        if self.pid == 0:
            os.environ.update(TERM="xterm-256color", COLORTERM="truecolor")
            os.execv(sys.executable, [sys.executable, "-m", "console", "--config", str(place / "leitstand.toml")])
        fcntl.ioctl(self.master, termios.TIOCSWINSZ, struct.pack("HHHH", ROWS, COLUMNS, 0, 0))

    def read(self, seconds: float) -> bytes:
        """Everything that comes within this time."""
        out, deadline = bytearray(), time.monotonic() + seconds
        while (left := deadline - time.monotonic()) > 0:
            if select.select([self.master], [], [], left)[0]:
                out += os.read(self.master, 65_536)
        return bytes(out)

    def until(self, wanted: bytes, seconds: float) -> float:
        """Seconds until these bytes come."""
        begun, out = time.monotonic(), bytearray()
        while time.monotonic() - begun < seconds:
            if select.select([self.master], [], [], 0.5)[0]:
                out += os.read(self.master, 65_536)
                if wanted in out:
                    return time.monotonic() - begun
        raise AssertionError(f"{wanted!r} never came: {bytes(out[-300:])!r}")

    def key_ms(self, key: bytes) -> float:
        """From a key to the first reversed cells, which only a moved cursor draws."""
        begun = time.monotonic()
        os.write(self.master, key)
        self.until(b"\x1b[7", 5)
        return (time.monotonic() - begun) * 1000

    def close(self) -> None:
        """End it."""
        os.kill(self.pid, signal.SIGTERM)
        os.waitpid(self.pid, 0)
        os.close(self.master)


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


def run(quick: bool) -> list[Claim]:
    """One console, one city, one stream of changes."""
    count, keys, watch_s = (2_000, 40, 5.0) if quick else (10_000, 200, 20.0)
    what = f"{count:,} nodes, {CHANGES_PER_S:,} changes/s"
    with tempfile.TemporaryDirectory() as name:
        place = Path(name)
        with contextlib.closing(fill(place, count)) as store:
            lease = Lease(store, time.time_ns() // 1_000_000)
            with changing(place / "store", count):
                terminal = Terminal(place)
                terminal.until(b"GEvernetzt", 20)
                first_s = time.monotonic() - terminal.begun
                terminal.read(1.0)
                os.write(terminal.master, b"2")
                terminal.until(b"ge-tst-", 10)
                terminal.read(2.0)
                delays = []
                for at in range(keys):
                    delays.append(terminal.key_ms(b"j" if at % 40 < 20 else b"k"))
                    terminal.read(0.03)
                terminal.read(3.0)
                rate = len(terminal.read(watch_s)) / watch_s / 1000
                terminal.close()
            lease.release()
    slow, began = p95(delays), version_s()
    return [
        Claim(f"key to paint p95, {what}", round(slow, 1), "ms", "< 50 ms", "none", None, slow < 50),
        Claim(f"passive output at 80x24, {what}", round(rate, 2), "kB/s", "< 3 kB/s", "none", None, rate < 3),
        Claim(f"start to first rows, {count:,} nodes", round(first_s, 2), "s", "< 1 s", "none", None, first_s < 1),
        Claim("leitstand --version", round(began, 3), "s", "< 0.2 s", "none", None, began < 0.2),
    ]


if __name__ == "__main__":
    main(run)
