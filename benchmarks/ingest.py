"""Ingest of ChirpStack events from mosquitto at QoS 1 into the encrypted store, against mosquitto_sub to /dev/null.

Both drain the same queued messages from a persistent session of the same broker, in turn; ours decodes,
deduplicates, commits with synchronous=FULL and acknowledges after that.
"""

from __future__ import annotations

import random
import shutil
import subprocess
import sys
import tempfile
import threading
from collections.abc import Mapping
from pathlib import Path
from statistics import median
from time import perf_counter

from benchmarks.claim import Claim, main
from console.clock import now_ms
from device_drivers.api import Subscription
from device_drivers.mqtt import MqttSource
from local_store import tally
from local_store.db import Store
from playbooks.ingest import Ingest, Intake, decoders
from tests.peers.mosquitto import Mosquitto, running

TOPIC = "application/+/device/+/event/+"
PEER = "mosquitto_sub"
WITHIN_S = 300.0


def run(quick: bool) -> list[Claim]:
    """Our rate as a share of mosquitto_sub's, median of three rounds."""
    missing = [
        name
        for name in ("mosquitto", PEER)
        if shutil.which(name, path="/usr/sbin:/usr/bin:/usr/local/bin:/usr/local/sbin") is None
    ]
    if missing:
        return [
            Claim(
                "ingest rate, durable",
                None,
                "messages/s",
                ">= 0.35 x mosquitto_sub",
                f"{', '.join(missing)} (not installed)",
                None,
                None,
            )
        ]
    count, devices = (10_000, 800) if quick else (60_000, 800)
    ours, theirs = [], []
    with tempfile.TemporaryDirectory() as folder:
        directory = Path(folder)
        for n in range(3):
            with running(directory / f"broker{n}") as broker:
                subscribe(broker)
                with_store(broker, directory / f"store{n}", 0)
                publish(broker, count, devices)
                theirs.append(count / drain_with_peer(broker, count))
                ours.append(count / with_store(broker, directory / f"store{n}", count))
    rate, peer = median(ours), median(theirs)
    ratio = rate / peer
    return [
        Claim(
            "ingest rate, durable",
            round(rate),
            "messages/s",
            ">= 0.35 x mosquitto_sub",
            f"{PEER}: {peer:.0f}/s",
            round(ratio, 3),
            ratio >= 0.35,
        )
    ]


def publish(broker: Mosquitto, count: int, devices: int) -> None:
    """Queue the messages at the broker, from another process."""
    command = [
        sys.executable,
        "-m",
        "benchmarks.mqtt_load",
        str(broker.port),
        f"--count={count}",
        f"--devices={devices}",
    ]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)


def _peer(broker: Mosquitto, *more: str) -> list[str]:
    return [PEER, "-p", str(broker.port), "-V", "5", "-i", "peer", "-c", "-x", "3600", "-q", "1", "-t", TOPIC, *more]


def subscribe(broker: Mosquitto) -> None:
    """Make the peer's session."""
    subprocess.run(_peer(broker, "-E"), check=True)


def drain_with_peer(broker: Mosquitto, count: int) -> float:
    """Seconds mosquitto_sub needs for what is queued for it."""
    began = perf_counter()
    subprocess.run(_peer(broker, "-C", str(count)), check=True, stdout=subprocess.DEVNULL, timeout=WITHIN_S)
    return perf_counter() - began


def with_store(broker: Mosquitto, directory: Path, count: int) -> float:
    """Seconds until `count` messages are stored; with 0 it only makes the session."""
    store = Store(directory, bytes(range(32)))
    stop, done = threading.Event(), threading.Event()

    def report(detail: Mapping[str, object]) -> None:
        if detail["connected"] and not count:
            done.set()

    def source() -> MqttSource:
        return Counting(broker, count, done)

    ingest = Ingest(Intake(store, decoders({}, {})), source, now_ms)
    thread = threading.Thread(target=ingest.run, args=(stop, report))
    began = perf_counter()
    thread.start()
    in_time = done.wait(WITHIN_S)
    took = perf_counter() - began
    stop.set()
    thread.join()
    counts = store.read(tally.read)
    store.close()
    assert in_time, counts
    assert counts.get("messages_stored", 0) == count, counts
    return took


class Counting(MqttSource):
    """Notices when the last message was acknowledged, so after its COMMIT."""

    def __init__(self, broker: Mosquitto, count: int, done: threading.Event) -> None:
        self._left = count
        self._done = done
        super().__init__(broker.target("bench"), [Subscription(TOPIC, "chirpstack")], now_ms, random.Random(1))

    def acknowledge(self, messages):  # type: ignore[no-untyped-def]
        sent = super().acknowledge(messages)
        self._left -= sent
        if self._left == 0:
            self._done.set()
        return sent


if __name__ == "__main__":
    main(run)
