"""The embedded broker and mosquitto give paho the same answers."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path
from queue import Queue

import paho.mqtt.client as mqtt
import pytest
from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties

from device_drivers.simcity import broker, mqtt_broker
from device_drivers.simcity.mqtt_packets import matches
from tests.conftest import require_peer

WAIT_S = 10


@pytest.fixture(params=["mosquitto", "embedded"])
def port(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[int]:
    if request.param == "mosquitto":
        require_peer("mosquitto")
    with broker.running(tmp_path, embedded=request.param == "embedded") as (_, found):
        yield found


class Client:
    """paho with its callbacks turned into things a test can wait for."""

    def __init__(self, port: int, name: str, version: MQTTProtocolVersion, *, keep: bool = False) -> None:
        self.messages: Queue[mqtt.MQTTMessage] = Queue()
        self.subscribed = threading.Event()
        self.session: Queue[bool] = Queue()
        v5 = version == MQTTProtocolVersion.MQTTv5
        self.paho = mqtt.Client(
            CallbackAPIVersion.VERSION2, name, clean_session=None if v5 else not keep, protocol=version
        )
        self.paho.on_message = lambda _c, _u, message: self.messages.put(message)
        self.paho.on_subscribe = lambda *_: self.subscribed.set()
        self.paho.on_connect = lambda _c, _u, flags, _r, _p: self.session.put(flags.session_present)
        wishes = Properties(PacketTypes.CONNECT)  # type: ignore[no-untyped-call]
        wishes.SessionExpiryInterval = 600 if keep else 0
        if v5:
            self.paho.connect("127.0.0.1", port, clean_start=not keep, properties=wishes)
        else:
            self.paho.connect("127.0.0.1", port)
        self.paho.loop_start()
        self.present = self.session.get(timeout=WAIT_S)

    def subscribe(self, topic: str) -> None:
        self.paho.subscribe(topic, 1)
        assert self.subscribed.wait(WAIT_S)

    def close(self) -> None:
        self.paho.disconnect()
        self.paho.loop_stop()


BOTH = pytest.mark.parametrize("version", [MQTTProtocolVersion.MQTTv311, MQTTProtocolVersion.MQTTv5])


@BOTH
def test_messages_arrive_once_at_qos_1(port: int, version: MQTTProtocolVersion) -> None:
    listener = Client(port, "listener", version)
    listener.subscribe("application/+/device/#")
    speaker = Client(port, "speaker", version)
    for number in range(50):
        speaker.paho.publish(f"application/a/device/{number}/event/up", b"x" * 5000, qos=1).wait_for_publish(WAIT_S)
    speaker.paho.publish("other/topic", b"no", qos=1).wait_for_publish(WAIT_S)
    got = [listener.messages.get(timeout=WAIT_S) for _ in range(50)]
    assert [message.topic.split("/")[3] for message in got] == [str(number) for number in range(50)]
    assert {len(message.payload) for message in got} == {5000}
    assert listener.messages.empty()
    speaker.close()
    listener.close()


@BOTH
def test_a_session_keeps_what_was_missed(port: int, version: MQTTProtocolVersion) -> None:
    first = Client(port, "laptop", version, keep=True)
    assert first.present is False
    first.subscribe("t/#")
    first.close()
    speaker = Client(port, "speaker", version)
    for number in range(20):
        speaker.paho.publish("t/1", str(number), qos=1).wait_for_publish(WAIT_S)
    speaker.close()
    again = Client(port, "laptop", version, keep=True)
    assert again.present is True
    assert [again.messages.get(timeout=WAIT_S).payload for _ in range(20)] == [str(n).encode() for n in range(20)]
    again.close()


def test_the_embedded_broker_duplicates_and_forgets_on_demand() -> None:
    with mqtt_broker.running() as embedded:
        listener = Client(embedded.port, "laptop", MQTTProtocolVersion.MQTTv5, keep=True)
        listener.subscribe("t")
        embedded.faults.duplicate = True
        speaker = Client(embedded.port, "speaker", MQTTProtocolVersion.MQTTv5)
        speaker.paho.publish("t", b"twice", qos=1).wait_for_publish(WAIT_S)
        assert [listener.messages.get(timeout=WAIT_S).payload for _ in range(2)] == [b"twice", b"twice"]
        embedded.forget_sessions()
        assert listener.session.get(timeout=WAIT_S) is False
        speaker.close()
        listener.close()


@pytest.mark.parametrize(
    ("wanted", "topic", "fits"),
    [
        ("a/+/c", "a/b/c", True),
        ("a/#", "a", True),
        ("a/#", "a/b/c", True),
        ("#", "$SYS/x", False),
        ("+/x", "$SYS/x", False),
        ("a/+", "a/b/c", False),
        ("a/b", "a/b/c", False),
    ],
)
def test_filters_match_as_the_standard_says(wanted: str, topic: str, fits: bool) -> None:
    assert matches(wanted, topic) is fits
