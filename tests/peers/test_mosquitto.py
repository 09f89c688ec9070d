"""The contract of a queue source against mosquitto: nothing is lost, nothing is acknowledged by mistake."""

from __future__ import annotations

import datetime as dt
import random
import re
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from pathlib import Path
from time import monotonic
from typing import Any

import pytest

from console.clock import now_ms
from device_drivers.api import BrokerTarget, Message, QueueState, Subscription
from device_drivers.errors import DriverError, Refused, Unreachable, Unsupported
from device_drivers.mqtt import MqttSource, Pace
from device_drivers.mqtt_probe import probe
from tests.peers import certificates
from tests.peers.mosquitto import Mosquitto, running

WAIT_S = 15.0
EVENTS = (Subscription("application/+/device/+/event/+", "chirpstack"), Subscription("city/#", "station"))
EAGER = Pace(window_s=0.01, first_delay_s=0.05, longest_delay_s=0.2)


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[Mosquitto]:
    with running(tmp_path / "broker") as started:
        yield started


def source(target: BrokerTarget, subscriptions: Sequence[Subscription] = EVENTS) -> MqttSource:
    return MqttSource(target, subscriptions, now_ms, random.Random(1), EAGER)


def wait_for(of: MqttSource, condition: Callable[[QueueState], bool]) -> QueueState:
    deadline, pause = monotonic() + WAIT_S, threading.Event()
    while monotonic() < deadline:
        state = of.state()
        if condition(state):
            return state
        pause.wait(0.01)
    raise AssertionError(f"did not happen in time: {of.state()}")


def connected(of: MqttSource) -> QueueState:
    """Wait until it is connected; its subscriptions were sent before anything that is published afterwards."""
    return wait_for(of, lambda state: state.connected)


def gather(of: MqttSource, count: int) -> list[Message]:
    batch: list[Message] = []
    deadline = monotonic() + WAIT_S
    while len(batch) < count and monotonic() < deadline:
        batch += of.take(500, 0.2)
    assert len(batch) >= count, f"{len(batch)} of {count} came: {of.state()}"
    return batch


def numbered(count: int, start: int = 0) -> list[tuple[str, bytes]]:
    return [("application/a/device/b/event/up", b"%d" % n) for n in range(start, start + count)]


def first_contact(broker: Mosquitto, **more: Any) -> None:
    """Make the session at the broker, as the first start of a console does."""
    with closing(source(broker.target(**more))) as mine:
        connected(mine)
        broker.publish([("city/ready", b"")])
        mine.acknowledge(gather(mine, 1))


def test_what_is_acknowledged_is_gone_and_what_is_not_comes_again(broker: Mosquitto) -> None:
    first_contact(broker)
    broker.publish(numbered(10))
    with closing(source(broker.target())) as mine:
        batch = gather(mine, 10)
        assert [message.payload for message in batch] == [b"%d" % n for n in range(10)]
        assert not any(message.dup for message in batch)
        assert mine.acknowledge(batch[:4]) == 4
    with closing(source(broker.target())) as mine:
        again = gather(mine, 6)
        assert [message.payload for message in again] == [b"%d" % n for n in range(4, 10)]
        assert all(message.dup for message in again)
        state = mine.state()
        assert (state.protocol, state.session_present, state.error) == ("5", True, None)


def test_each_topic_has_its_declared_kind(broker: Mosquitto) -> None:
    with closing(source(broker.target())) as mine:
        connected(mine)
        broker.publish([("application/a/device/b/event/join", b"1"), ("city/ws/1", b"2"), ("other", b"3")])
        batch = gather(mine, 2)
        assert [(message.topic, message.kind) for message in batch] == [
            ("application/a/device/b/event/join", "chirpstack"),
            ("city/ws/1", "station"),
        ]


def test_qos_0_needs_no_acknowledgement(broker: Mosquitto) -> None:
    with closing(source(broker.target())) as mine:
        connected(mine)
        broker.publish(numbered(3), qos=0)
        batch = gather(mine, 3)
        assert {(message.qos, message.mid) for message in batch} == {(0, 0)}
        assert mine.acknowledge(batch) == 0
        assert mine.state().acks_dropped == 0


def test_retained_messages_come_once_per_subscription_and_say_so(broker: Mosquitto) -> None:
    broker.publish([("city/ws/1", b"old")], retain=True)
    with closing(source(broker.target())) as mine:
        batch = gather(mine, 1)
        assert batch[0].retained
        mine.acknowledge(batch)
    with closing(source(broker.target())) as mine:
        connected(mine)
        broker.publish(numbered(1))
        assert [message.payload for message in gather(mine, 1)] == [b"0"]


def test_the_receive_maximum_holds_the_broker_back(broker: Mosquitto) -> None:
    first_contact(broker)
    broker.publish(numbered(100))
    with closing(source(broker.target(receive_maximum=20))) as mine:
        batch = gather(mine, 20)
        assert not mine.take(500, 0.3)
        assert len(batch) == 20
        mine.acknowledge(batch)
        assert gather(mine, 20)[0].payload == b"20"


def test_a_broker_that_forgot_its_session_gets_no_stale_acknowledgement(broker: Mosquitto) -> None:
    broker.stop()
    broker.persistent = False
    broker.start()
    with closing(source(broker.target())) as mine:
        connected(mine)
        broker.publish(numbered(1))
        old = gather(mine, 1)
        broker.stop(kill=True)
        wait_for(mine, lambda state: not state.connected)
        assert mine.acknowledge(old) == 0
        broker.start()
        state = connected(mine)
        assert not state.session_present
        broker.publish(numbered(1, start=7))
        new = gather(mine, 1)
        assert new[0].mid == old[0].mid  # the same packet id, another message
        assert mine.acknowledge(old) == 0
        assert mine.state().acks_dropped == 2
    with closing(source(broker.target())) as mine:
        again = gather(mine, 1)
        assert (again[0].payload, again[0].dup) == (b"7", True)


def test_a_broker_that_vanishes_and_returns_with_its_session(broker: Mosquitto) -> None:
    first_contact(broker)
    with closing(source(broker.target())) as mine:
        connected(mine)
        broker.publish(numbered(5))
        old = gather(mine, 5)
        broker.stop()
        gone = wait_for(mine, lambda state: not state.connected and isinstance(state.error, Unreachable))
        assert gone.error is not None
        broker.start()
        back = connected(mine)
        assert (back.session_present, back.error, back.connections) == (True, None, 2)
        again = gather(mine, 5)
        assert [message.payload for message in again] == [message.payload for message in old]
        assert mine.acknowledge(old + again) == 5
    with closing(source(broker.target())) as mine:
        connected(mine)
        broker.publish(numbered(1, start=9))
        assert [message.payload for message in gather(mine, 1)] == [b"9"]


def test_the_same_client_id_twice_is_named(broker: Mosquitto) -> None:
    slow = Pace(first_delay_s=60.0, longest_delay_s=60.0)
    with closing(MqttSource(broker.target(), EVENTS, now_ms, random.Random(1), slow)) as mine:
        connected(mine)
        with closing(source(broker.target())) as other:
            connected(other)
            state = wait_for(mine, lambda state: state.error is not None)
            assert state.error is not None
            assert "another client may be using the id 'leitstand-test'" in state.error.evidence


def test_a_wrong_password_is_refused_and_a_right_one_works(tmp_path: Path) -> None:
    with running(tmp_path, users={"city": "right"}) as broker:
        with closing(source(broker.target(user="city", password="wrong"))) as mine:
            state = wait_for(mine, lambda state: state.error is not None)
            assert isinstance(state.error, Refused)
            assert "wrong" not in str(state.error)
        with closing(source(broker.target(user="city", password="right"))) as mine:
            connected(mine)


def tls_state(broker: Mosquitto, **more: Any) -> DriverError | None:
    with closing(source(broker.target(tls=True, **more))) as mine:
        return wait_for(mine, lambda state: state.connected or state.error is not None).error


def test_tls_with_client_certificates(tmp_path: Path) -> None:
    good = certificates.make(tmp_path / "good")
    foreign = certificates.make(tmp_path / "foreign")
    mine: dict[str, Any] = {"cert_file": good.client, "key_file": good.client_key}
    with running(tmp_path / "broker", tls=good, client_certificates=True) as broker:
        assert tls_state(broker, ca_file=good.ca, **mine) is None
        untrusted = tls_state(broker, ca_file=foreign.ca, **mine)
        assert isinstance(untrusted, Refused)
        assert "certificate is not trusted" in untrusted.evidence
        assert isinstance(tls_state(broker, **mine), Refused)  # the system's authorities do not know it either
        assert isinstance(tls_state(broker, ca_file=good.ca), DriverError)  # no client certificate
        unreadable = tls_state(broker, ca_file=str(tmp_path / "none.pem"), **mine)
        assert isinstance(unreadable, Unsupported)
        assert "certificate files" in unreadable.evidence
        with closing(source(broker.target(tls=True, ca_file=good.ca, receive_maximum=1000, **mine))) as reader:
            connected(reader)
            broker.publish([("city/big", bytes(200_000)), *numbered(300)])
            batch = gather(reader, 301)
            assert len(batch[0].payload) == 200_000
            assert reader.acknowledge(batch) == 301


def test_what_is_wrong_with_our_certificate_is_told_with_its_file(tmp_path: Path) -> None:
    ended = certificates.START + dt.timedelta(days=1)
    good = certificates.make(tmp_path / "good", client_end=ended)
    foreign = certificates.make(tmp_path / "foreign")
    none = str(tmp_path / "none.pem")
    told: dict[str, dict[str, str]] = {
        "wants a client certificate: set `cert_file`": {},
        f"{good.client} has expired": {"cert_file": good.client, "key_file": good.client_key},
        f"{foreign.client} is of an authority the broker does not trust": {
            "cert_file": foreign.client, "key_file": foreign.client_key,
        },
        f"(cert_file {none}): it cannot be read: No such file": {"cert_file": none, "key_file": good.client_key},
        f"(key_file {none}): it cannot be read: No such file": {"cert_file": good.client, "key_file": none},
        "the key does not belong to the certificate": {"cert_file": good.client, "key_file": foreign.client_key},
        "holds no private key; name the file": {"cert_file": good.client},
    }  # fmt: skip
    with running(tmp_path / "broker", tls=good, client_certificates=True) as broker:
        for sentence, files in told.items():
            error = tls_state(broker, ca_file=good.ca, **files)
            assert error is not None
            assert sentence in error.evidence, error
            with pytest.raises(type(error), match=re.escape(sentence)):
                probe(broker.target(tls=True, ca_file=good.ca, **files), EVENTS, "probe")


def test_a_certificate_that_appears_later_is_taken_and_mqtt_5_still_spoken(tmp_path: Path) -> None:
    good = certificates.make(tmp_path / "good")
    later = tmp_path / "later.pem"
    with running(tmp_path / "broker", tls=good, client_certificates=True) as broker:
        target = broker.target(tls=True, ca_file=good.ca, cert_file=str(later), key_file=good.client_key)
        with closing(source(target)) as mine:
            wait_for(mine, lambda state: state.error is not None)
            later.write_bytes(Path(good.client).read_bytes())
            assert wait_for(mine, lambda state: state.connected).protocol == "5"


def test_a_certificate_of_another_host_is_refused(tmp_path: Path) -> None:
    elsewhere = certificates.make(tmp_path / "c", host="127.0.0.2")
    with running(tmp_path / "broker", tls=elsewhere) as broker:
        assert isinstance(tls_state(broker, ca_file=elsewhere.ca), Refused)


def test_plain_text_to_a_tls_port_is_an_error_not_a_hang(tmp_path: Path) -> None:
    keys = certificates.make(tmp_path / "c")
    with running(tmp_path / "broker", tls=keys) as broker, closing(source(broker.target())) as mine:
        assert isinstance(wait_for(mine, lambda state: state.error is not None).error, DriverError)
