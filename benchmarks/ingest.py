"""Ingest of ChirpStack events from mosquitto at QoS 1 into the encrypted store, against mosquitto_sub to /dev/null.

Ours decodes, deduplicates, commits with synchronous=FULL and acknowledges after that; the peer throws away.
Once both follow a publisher that sends as fast as the broker confirms, once both empty the same backlog of a
persistent session, where only the subscriber is at work.
"""

from __future__ import annotations

import random
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from statistics import median
from time import perf_counter

from benchmarks.claim import Claim, main
from benchmarks.missing import why_missing
from console.clock import now_ms
from device_drivers.api import Message, Subscription
from device_drivers.mqtt import MqttSource
from local_store import tally
from local_store.db import Store
from playbooks.ingest import Ingest, Intake, decoders
from tests.conftest import program
from tests.peers.mosquitto import Mosquitto, running

TOPIC = "application/+/device/+/event/+"
PEER = "mosquitto_sub"
LIVE, BACKLOG = "ingest rate live, durable", "ingest rate of a backlog, durable"
PACKAGES = {"mosquitto": "mosquitto", PEER: "mosquitto-clients"}
TARGET = 0.35
ROUNDS = 3
DEVICES = 800
WITHIN_S = 300.0
Rates = tuple[list[float], list[float]]


def run(quick: bool) -> list[Claim]:
    """Our rates as shares of mosquitto_sub's, medians of three rounds."""
    missing = [name for name in ("mosquitto", PEER) if program(name) is None]
    if missing:
        peer = "; ".join(why_missing(name, PACKAGES[name]) for name in missing)
        return [
            Claim(claim, None, "messages/s", f">= {TARGET} x {PEER}", peer, None, None) for claim in (LIVE, BACKLOG)
        ]
    count = 10_000 if quick else 60_000
    live: Rates = ([], [])
    backlog: Rates = ([], [])
    for _ in range(ROUNDS):
        with tempfile.TemporaryDirectory() as folder:
            follow(Path(folder), count, live)
            drain(Path(folder), count, backlog)
    return [claim_of(LIVE, live), claim_of(BACKLOG, backlog)]


def claim_of(claim: str, rates: Rates) -> Claim:
    """Medians and their ratio."""
    ours, peer = median(rates[0]), median(rates[1])
    ratio = ours / peer
    said = f"{PEER}: {peer:.0f}/s"
    return Claim(claim, round(ours), "messages/s", f">= {TARGET} x {PEER}", said, round(ratio, 3), ratio >= TARGET)


def follow(directory: Path, count: int, rates: Rates) -> None:
    """Each subscriber alone at a broker while the publisher sends."""
    with running(directory / "live-peer") as broker:
        open_peer(broker)
        with peer(broker, count) as ended, publishing(broker, count):
            rates[1].append(count / seconds(ended))
    with (
        running(directory / "live-ours") as broker,
        ours(broker, directory / "live-store", count) as ended,
        publishing(broker, count),
    ):
        rates[0].append(count / seconds(ended))


def drain(directory: Path, count: int, rates: Rates) -> None:
    """Both have a session at the same broker, which queues for both; then one after the other empties its own."""
    with running(directory / "queue") as broker:
        open_peer(broker)
        with ours(broker, directory / "store", 0):
            pass
        with publishing(broker, count) as publisher:
            publisher.wait(WITHIN_S)
        began = perf_counter()
        with peer(broker, count) as ended:
            rates[1].append(count / seconds(ended, began))
        began = perf_counter()
        with ours(broker, directory / "store", count, wait=False) as ended:
            rates[0].append(count / seconds(ended, began))


def seconds(ended: Callable[[], None], began: float | None = None) -> float:
    """How long it takes until the subscriber has everything."""
    start = perf_counter() if began is None else began
    ended()
    return perf_counter() - start


@contextmanager
def publishing(broker: Mosquitto, count: int) -> Iterator[subprocess.Popen[str]]:
    """The publisher as a process of its own, from the moment its packets are prepared."""
    arguments = [str(broker.port), f"--count={count}", f"--devices={DEVICES}"]
    command = [sys.executable, "-m", "benchmarks.mqtt_load", *arguments]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        process.stdout.readline()
        yield process


def _peer(broker: Mosquitto, *more: str) -> list[str]:
    return [PEER, "-p", str(broker.port), "-V", "5", "-i", "peer", "-c", "-x", "3600", "-q", "1", "-t", TOPIC, *more]


def open_peer(broker: Mosquitto) -> None:
    """Make the peer's session."""
    subprocess.run(_peer(broker, "-E"), check=True)


@contextmanager
def peer(broker: Mosquitto, count: int) -> Iterator[Callable[[], None]]:
    """mosquitto_sub until it has received all."""
    with subprocess.Popen(_peer(broker, "-C", str(count)), stdout=subprocess.DEVNULL) as process:

        def ended() -> None:
            assert process.wait(WITHIN_S) == 0

        yield ended


@contextmanager
def ours(broker: Mosquitto, directory: Path, count: int, *, wait: bool = True) -> Iterator[Callable[[], None]]:
    """Our ingest in this process; with `wait` from the moment it is subscribed."""
    store = Store(directory, bytes(range(32)))
    stop, connected, done = threading.Event(), threading.Event(), threading.Event()

    def report(detail: Mapping[str, object]) -> None:
        if detail["connected"]:
            connected.set()

    ingest = Ingest(Intake(store, decoders({}, {})), lambda: Counting(broker, count, done), now_ms)
    thread = threading.Thread(target=ingest.run, args=(stop, report))
    thread.start()
    if wait:
        assert connected.wait(WITHIN_S)

    def ended() -> None:
        assert done.wait(WITHIN_S)

    try:
        yield ended
    finally:
        stop.set()
        thread.join()
        stored = store.read(tally.read).get("messages_stored", 0)
        store.close()
    assert stored == count, f"{stored} of {count} stored"


class Counting(MqttSource):
    """Notices when the last message was acknowledged, which is after its COMMIT."""

    def __init__(self, broker: Mosquitto, count: int, done: threading.Event) -> None:
        self._left = count
        self._done = done
        super().__init__(broker.target("bench"), [Subscription(TOPIC, "chirpstack")], now_ms, random.Random(1))

    def acknowledge(self, messages: Sequence[Message]) -> int:
        """As always, and count."""
        sent = super().acknowledge(messages)
        self._left -= sent
        if self._left <= 0:
            self._done.set()
        return sent


if __name__ == "__main__":
    main(run)
