"""From mosquitto over TLS into the store: hostile payloads, a broker that forgets its session, a console away."""

from __future__ import annotations

import random
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from time import monotonic

from benchmarks.mqtt_load import eui, uplinks
from console.clock import now_ms
from device_drivers.api import Subscription
from device_drivers.mqtt import MqttSource, Pace
from local_store import quarantine, sensing, tally
from local_store.db import Store
from playbooks.ingest import Ingest, Intake, decoders
from tests.peers import certificates
from tests.peers.mosquitto import Mosquitto, running

WAIT_S = 20.0
SUBSCRIPTIONS = (Subscription("application/+/device/+/event/+", "chirpstack"), Subscription("yard/#", "undeclared"))
Detail = Mapping[str, object]


@contextmanager
def ingesting(store: Store, broker: Mosquitto) -> Iterator[Callable[[], Detail]]:
    """Our service on this broker; gives its last report."""
    keys = broker.tls
    assert keys is not None
    target = broker.target(tls=True, ca_file=keys.ca, cert_file=keys.client, key_file=keys.client_key)
    pace = Pace(first_delay_s=0.05, longest_delay_s=0.2)
    last: list[Detail] = [{}]

    def report(detail: Detail) -> None:
        last[0] = dict(detail)

    def source() -> MqttSource:
        return MqttSource(target, SUBSCRIPTIONS, now_ms, random.Random(1), pace)

    stop = threading.Event()
    thread = threading.Thread(target=Ingest(Intake(store, decoders({}, {})), source, now_ms).run, args=(stop, report))
    thread.start()
    try:
        yield lambda: last[0]
    finally:
        stop.set()
        thread.join(WAIT_S)
        assert not thread.is_alive()


def until(condition: Callable[[], bool]) -> None:
    deadline, pause = monotonic() + WAIT_S, threading.Event()
    while not condition():
        assert monotonic() < deadline, "did not happen in time"
        pause.wait(0.01)


def test_through_restarts_and_hostile_payloads_every_good_message_is_stored_once(store: Store, tmp_path: Path) -> None:
    keys = certificates.make(tmp_path / "keys")
    traffic = list(uplinks(400, 10))
    topic, payload = traffic[0]

    def stored() -> int:
        return store.read(tally.read).get("messages_stored", 0)

    with running(tmp_path / "broker", tls=keys, client_certificates=True) as broker:
        with ingesting(store, broker) as report:
            until(lambda: report().get("connected") is True)
            hostile = [
                (topic, bytes(1_048_576)),
                (topic, payload.replace(b'"battery":92', b'"battery":' + b"[" * 100_000)),
                (topic, payload.replace(b"21.5", b"NaN")),
                (topic, payload.replace(b'"fCnt":1', b'"fCnt":"one"')),
                ("yard/gate", b"42"),
            ]
            broker.publish([*traffic[:100], *hostile, *traffic[95:150]])
            until(lambda: stored() == 150)
            broker.stop(kill=True)
            broker.persistent = False
            until(lambda: report().get("connected") is False)
            assert "unreachable" in str(report()["broker_error"])
            broker.start()
            until(lambda: report().get("connected") is True)
            assert report()["session_present"] is False
            broker.publish(traffic[140:250])
            until(lambda: stored() == 250)
        broker.publish(traffic[250:300])  # while the console is away
        with ingesting(store, broker):
            broker.publish(traffic[300:])
            until(lambda: stored() == 400)
    states = store.read(sensing.load_sensor_states)
    assert [(states[eui(n)].received, states[eui(n)].gaps) for n in range(10)] == [(40, 0)] * 10
    assert sum(state.duplicates for state in states.values()) == 15
    reasons = [item.reason.partition(":")[0] for item in store.read(lambda cx: quarantine.newest(cx, 10))]
    assert sorted(reasons) == ["not_json", "too_deep", "too_large", "unknown_kind", "wrong_shape"]
