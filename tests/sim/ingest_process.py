"""The ingest of one broker as a process of its own, to be killed: python -m tests.sim.ingest_process PORT STORE."""

from __future__ import annotations

import random
import sys
import threading
from collections.abc import Mapping
from pathlib import Path

from console.clock import now_ms
from device_drivers.api import BrokerTarget, Subscription
from device_drivers.mqtt import MqttSource, Pace
from local_store.db import Store
from playbooks.ingest import Ingest, Intake, decoders
from tests.conftest import KEY

CLIENT_ID = "leitstand-kill"
TOPIC = "application/+/device/+/event/+"


def main(port: int, directory: Path) -> None:
    """Ingest until killed."""
    store = Store(directory, KEY)
    target = BrokerTarget("mosquitto", "127.0.0.1", port, CLIENT_ID)
    pace = Pace(first_delay_s=0.05, longest_delay_s=0.2)

    def source() -> MqttSource:
        return MqttSource(target, [Subscription(TOPIC, "chirpstack")], now_ms, random.Random(1), pace)

    def report(detail: Mapping[str, object]) -> None:
        if detail["connected"]:
            sys.stdout.write("connected\n")
            sys.stdout.flush()

    Ingest(Intake(store, decoders({}, {})), source, now_ms).run(threading.Event(), report)


if __name__ == "__main__":
    main(int(sys.argv[1]), Path(sys.argv[2]))
