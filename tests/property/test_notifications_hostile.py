"""The receiver under fire: mutated notifications never raise, never get in, and a burst is not lost."""

from __future__ import annotations

import socket
import time
from collections.abc import Iterator

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from device_drivers.api import SnmpCredentials
from device_drivers.snmp_ber import OID
from device_drivers.snmp_codec import INFORM, TRAP, V1, V2C, bind, community_message, pdu, value_tlv
from device_drivers.snmp_gate import SNMP_TRAP_OID, SNMP_TRAPS, Notification, Sender
from device_drivers.snmp_keys import NO_KEYS, local_keys
from device_drivers.snmp_notify import Receiver
from device_drivers.snmp_v3 import AUTH, PRIV, REPORTABLE, seal
from tests.unit.test_snmp_trap_v1 import trap_v1

OURS = bytes.fromhex("80001f8880aabbccdd11223344")
THEIRS = bytes.fromhex("8000000001020304aa")
RIGHTS = SnmpCredentials("3", "", "ops", "sha1", "authenticate-me", "aes128", "keep-it-private")
BINDS = [bind(SNMP_TRAP_OID, value_tlv(OID, (*SNMP_TRAPS, 1)))]
FLAGS = AUTH | PRIV
SEALED = seal(pdu(TRAP, 7, 0, 0, BINDS), 7, FLAGS, (THEIRS, 1, 9), b"ops", local_keys(RIGHTS, THEIRS), bytes(8))
INFORMED = seal(
    pdu(INFORM, 7, 0, 0, BINDS), 7, FLAGS | REPORTABLE, (OURS, 1, 1), b"ops", local_keys(RIGHTS, OURS), bytes(8)
)
DISCOVERY = seal(pdu(INFORM, 7, 0, 0, []), 7, REPORTABLE, (b"", 0, 0), b"", NO_KEYS, b"")
OPEN = community_message(V2C, b"street", pdu(TRAP, 7, 0, 0, BINDS))
OLDEST = community_message(V1, b"street", trap_v1())


class Line:
    """A receiver and a socket that sends to it."""

    def __init__(self) -> None:
        self.got: list[Notification] = []
        self.receiver = Receiver(self.got.append, "127.0.0.1", 0, OURS, 1)
        self.receiver.know(
            [
                Sender("ge-bue-0001", "127.0.0.1", RIGHTS, THEIRS),
                Sender("ge-bue-0002", "127.0.0.2", SnmpCredentials("2c", "street")),
            ]
        )
        self.sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.sock.connect(("127.0.0.1", self.receiver.port))
        self.sent = 0

    def send(self, raw: bytes) -> None:
        self.sock.send(raw)
        self.sent += 1

    def handle(self) -> None:
        deadline = time.monotonic() + 15
        while self.receiver.state().received < self.sent or self.receiver.state().waiting:
            assert time.monotonic() < deadline, self.receiver.state()
            self.receiver.step(0.05)


@pytest.fixture(scope="module")
def line() -> Iterator[Line]:
    found = Line()
    yield found
    found.receiver.close()
    found.sock.close()


def mutate(raw: bytes, edits: list[tuple[int, int]], cut: int) -> bytes:
    changed = bytearray(raw)
    for at, value in edits:
        changed[at % len(changed)] = value
    return bytes(changed[: len(changed) - cut % len(changed)])


edits = st.lists(st.tuples(st.integers(0, 300), st.integers(0, 255)), min_size=1, max_size=4)


@settings(max_examples=400, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.sampled_from([SEALED, INFORMED, DISCOVERY, OPEN, OLDEST]), edits, st.just(0) | st.integers(0, 60))
def test_a_changed_packet_never_breaks_the_receiver_and_a_sealed_one_never_gets_in(
    line: Line, raw: bytes, changes: list[tuple[int, int]], cut: int
) -> None:
    packet = mutate(raw, changes, cut)
    line.got.clear()
    line.send(packet)
    line.handle()
    if raw is SEALED and packet != raw:
        assert line.got == []


def test_a_burst_waits_instead_of_being_lost(line: Line) -> None:
    line.handle()
    before, took = line.receiver.state(), len(line.got)
    for _ in range(600):
        line.send(OPEN)
        if line.sent % 50 == 0:
            line.receiver.step(0.0)  # the kernel's buffer alone holds fewer than this where nobody may enlarge it
    line.handle()
    after = line.receiver.state()
    assert after.accepted - before.accepted == 600
    assert len(line.got) - took == 600
    assert after.overrun == 0
