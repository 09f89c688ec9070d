"""The MQTT driver against a broker that misbehaves on purpose; the good behaviour is tests/peers/test_mosquitto.py."""

from __future__ import annotations

import itertools
import random
import struct
import threading
from collections.abc import Callable
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from time import monotonic

import pytest
from cryptography.hazmat.primitives import serialization
from hypothesis import given
from hypothesis import strategies as st
from paho.mqtt.exception import MalformedPacket

from console.clock import now_ms
from device_drivers.api import BrokerTarget, Message, QueueState, Subscription
from device_drivers.errors import Garbled, Refused, Unreachable, Unsupported
from device_drivers.mqtt import MqttSource, Pace
from device_drivers.mqtt_inbox import Inbox
from device_drivers.mqtt_tls import tls_context
from device_drivers.mqtt_topics import Kinds
from device_drivers.mqtt_wire import Wire, frames
from tests.peers import certificates
from tests.unit.scripted_broker import WAIT_S, Peer, ScriptedBroker, packet, publish

FILTERS = (Subscription("#", "any"),)
EAGER = Pace(window_s=0.01, first_delay_s=0.02, longest_delay_s=0.05)
TARGET = BrokerTarget("wire", "127.0.0.1", 1, "c")


def source(broker: ScriptedBroker, **more: int) -> MqttSource:
    return MqttSource(broker.target(**more), FILTERS, now_ms, random.Random(1), EAGER)


def greeted() -> Wire:
    """A wire without a socket that has seen CONNACK."""
    wire = Wire(TARGET, FILTERS, Kinds(FILTERS), 7, v5=True)
    wire.greeted = True
    return wire


def wait_for(of: MqttSource, condition: Callable[[QueueState], bool]) -> QueueState:
    deadline, pause = monotonic() + WAIT_S, threading.Event()
    while not condition(of.state()):
        assert monotonic() < deadline, of.state()
        pause.wait(0.005)
    return of.state()


def until_closed(peer: Peer) -> None:
    while peer.read()[0]:
        pass


def accept(peer: Peer) -> None:
    peer.greet()
    until_closed(peer)


def refuse_v5(peer: Peer) -> None:
    _, connect = peer.read()
    if connect[6] == 5:
        peer.sock.sendall(packet(0x20, bytes([0, 1])))  # as MQTT 3.1.1 says "unacceptable protocol version"
    else:
        peer.sock.sendall(packet(0x20, bytes([0, 0])))
        _, subscribe = peer.read()
        peer.sock.sendall(packet(0x90, subscribe[:2] + b"\1"))
        until_closed(peer)


def hang_up_on_v5(peer: Peer) -> None:
    _, connect = peer.read()
    if connect[6] == 4:
        peer.sock.sendall(packet(0x20, bytes([0, 0])))
        _, subscribe = peer.read()
        peer.sock.sendall(packet(0x90, subscribe[:2] + b"\1") + publish("t", b"x", v5=False))
        until_closed(peer)


@pytest.mark.parametrize("script", [refuse_v5, hang_up_on_v5])
def test_a_broker_of_the_old_version_is_spoken_to_in_it(script: Callable[[Peer], None]) -> None:
    with ScriptedBroker([script]) as broker, closing(source(broker)) as mine:
        state = wait_for(mine, lambda state: state.connected)
        assert (state.protocol, state.error) == ("3.1.1", None)
        assert broker.connections == 2


def test_after_a_hang_up_the_new_version_is_tried_again() -> None:
    with ScriptedBroker([lambda _: None, lambda _: None, accept]) as broker, closing(source(broker)) as mine:
        assert wait_for(mine, lambda state: state.connected).protocol == "5"


@pytest.mark.parametrize(
    ("answer", "error"),
    [
        (packet(0x20, bytes([0, 0x87, 0])), Refused),  # not authorized
        (packet(0x20, bytes([0, 0x85, 0])), Refused),  # client identifier not valid
        (packet(0x20, bytes([0, 0x88, 0])), Unreachable),  # server unavailable
        (packet(0x20, b"\0"), Garbled),
        (b"\x20\xff\xff\xff\xff\x7f", Garbled),
        (b"HTTP/1.1 400 Bad Request\r\n\r\n", Garbled),
    ],
)
def test_a_broker_that_says_no_or_nonsense(answer: bytes, error: type[Exception]) -> None:
    def script(peer: Peer) -> None:
        peer.read()
        peer.sock.sendall(answer)
        until_closed(peer)

    with ScriptedBroker([script]) as broker, closing(source(broker)) as mine:
        state = wait_for(mine, lambda state: state.error is not None)
        assert isinstance(state.error, error), state.error
        assert not state.connected


def test_being_replaced_by_the_same_client_id_is_named() -> None:
    def script(peer: Peer) -> None:
        peer.greet()
        peer.sock.sendall(packet(0xE0, b"\x8e\0"))
        until_closed(peer)

    with ScriptedBroker([script]) as broker, closing(source(broker)) as mine:
        state = wait_for(mine, lambda state: not state.connected and state.error is not None)
        assert isinstance(state.error, Refused)
        assert "client id" in state.error.evidence


def test_a_refused_subscription_is_visible_and_the_connection_stays() -> None:
    def script(peer: Peer) -> None:
        peer.read()
        peer.sock.sendall(packet(0x20, b"\0\0\0"))
        _, subscribe = peer.read()
        peer.sock.sendall(packet(0x90, subscribe[:2] + b"\0\x87"))
        until_closed(peer)

    with ScriptedBroker([script]) as broker, closing(source(broker)) as mine:
        state = wait_for(mine, lambda state: state.connected)
        assert isinstance(state.error, Refused)
        assert "'#'" in state.error.evidence


def test_no_acknowledgement_leaves_unasked_and_all_leave_together_in_order() -> None:
    seen: list[bytes] = []
    told = threading.Event()

    def script(peer: Peer) -> None:
        peer.greet()
        peer.sock.sendall(b"".join(publish("t", b"x", mid) for mid in (5, 3, 9)))
        assert told.wait(WAIT_S)
        seen.append(peer.sock.recv(100))
        until_closed(peer)

    with ScriptedBroker([script]) as broker, closing(source(broker)) as mine:
        batch = mine.take(3, WAIT_S)
        told.set()
        assert mine.acknowledge(batch) == 3
        wait_for(mine, lambda _: bool(seen))
    assert seen == [struct.pack(">HHHHHH", 0x4002, 5, 0x4002, 3, 0x4002, 9)]


def test_what_an_old_connection_brought_is_kept_when_the_broker_forgot_it() -> None:
    """With a session the broker sends it again, so the copy is dropped; without one the copy is the only one."""
    assert after_a_reconnect(session_present=True) == [b"new"]
    assert after_a_reconnect(session_present=False) == [b"old", b"new"]


def after_a_reconnect(*, session_present: bool) -> list[bytes]:
    def first(peer: Peer) -> None:
        peer.greet()
        peer.sock.sendall(publish("t", b"old", 1))

    def second(peer: Peer) -> None:
        peer.greet(session_present=session_present)
        peer.sock.sendall(publish("t", b"new", 1))
        until_closed(peer)

    with ScriptedBroker([first, second]) as broker, closing(source(broker)) as mine:
        wait_for(mine, lambda state: state.received == 2)
        return [message.payload for message in mine.take(10, WAIT_S)]


def test_a_full_inbox_stops_reading_and_goes_on_when_taken_from() -> None:
    total = 4000

    def script(peer: Peer) -> None:
        peer.greet()
        for n in range(total):
            peer.sock.sendall(publish("t", b"%d" % n + bytes(2000)))
        until_closed(peer)

    with ScriptedBroker([script]) as broker, closing(source(broker, receive_maximum=100)) as mine:
        stuck = wait_for(mine, lambda state: not state.reading)
        assert stuck.waiting < total
        taken: list[Message] = []
        while len(taken) < total:
            batch = mine.take(500, WAIT_S)
            assert batch
            taken += batch
        assert [int(message.payload.rstrip(b"\0")) for message in taken] == list(range(total))


def test_closing_says_goodbye_after_the_acknowledgements() -> None:
    types: list[int] = []

    def script(peer: Peer) -> None:
        peer.greet()
        peer.sock.sendall(publish("t", b"x", 1))
        while True:
            first, _ = peer.read()
            types.append(first)
            if not first:
                return

    with ScriptedBroker([script]) as broker:
        with closing(source(broker)) as mine:
            mine.acknowledge(mine.take(1, WAIT_S))
        wait = threading.Event()
        deadline = monotonic() + WAIT_S
        while 0 not in types and monotonic() < deadline:
            wait.wait(0.005)
    assert types == [0x40, 0xE0, 0]


def test_a_subscription_that_cannot_be_made_is_refused_before_anything_is_started() -> None:
    with pytest.raises(Unsupported, match="shared subscription"):
        MqttSource(TARGET, [Subscription("$share/g/t", "any")], now_ms, random.Random(1))


STREAM = b"".join(
    [
        publish("a/b", b"one", 1),
        publish("a/c", b"", 2, flags=8, more=b"\x01\x01"),
        publish("ä", b"x" * 300, flags=1),
        publish("a/b", b"y" * 20_000, 65535, more=b"\x26\x00\x03key\x00\xff" + bytes(255)),
    ]
)


@given(st.lists(st.integers(0, len(STREAM)), max_size=12))
def test_packets_are_the_same_however_the_bytes_arrive(cuts: list[int]) -> None:
    wire = greeted()
    edges = [0, *sorted(cuts), len(STREAM)]
    for start, end in itertools.pairwise(edges):
        if start < end:
            wire.feed(STREAM[start:end])
    got = [(m.topic, len(m.payload), m.mid, m.qos, m.dup, m.retained) for m in wire.arrived()]
    assert got == [
        ("a/b", 3, 1, 1, False, False),
        ("a/c", 0, 2, 1, True, False),
        ("ä", 300, 0, 0, False, True),
        ("a/b", 20_000, 65535, 1, False, False),
    ]


@given(st.binary(max_size=60))
def test_no_bytes_get_past_the_frame_reader(data: bytes) -> None:
    try:
        triples = list(frames(data))
    except MalformedPacket:
        return
    assert triples[-1][0] == -1
    assert sum(end - start for _, start, end in triples[:-1]) <= len(data)


@given(st.integers(0x30, 0x3F), st.binary(max_size=40))
def test_a_broken_publish_is_malformed_and_nothing_else(first: int, body: bytes) -> None:
    wire = greeted()
    try:
        wire.feed(packet(first, body))
    except MalformedPacket:
        return
    (message,) = wire.arrived()
    assert len(message.topic.encode()) > 0


def test_the_inbox_is_crowded_by_bytes_too() -> None:
    inbox = Inbox(1000)
    big = Message("b", "t", bytes(33 * 1024 * 1024), "any", 1, False, 1, 1)
    inbox.put([big])
    assert not inbox.crowded
    inbox.put([big])
    assert inbox.crowded
    inbox.take(1, 0, 0)
    assert inbox.crowded  # still above half
    inbox.take(1, 0, 0)
    assert not inbox.crowded


def test_an_encrypted_key_is_refused_by_name_and_asks_nobody(tmp_path: Path) -> None:
    keys = certificates.make(tmp_path)
    key = serialization.load_pem_private_key(Path(keys.client_key).read_bytes(), None)
    sealed = tmp_path / "sealed.key"
    encryption = serialization.BestAvailableEncryption(b"secret")
    sealed.write_bytes(key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, encryption))
    target = replace(TARGET, tls=True, cert_file=keys.client, key_file=str(sealed))
    with pytest.raises(Unsupported, match=r"sealed\.key\): the key is encrypted with a passphrase"):
        tls_context(target)
