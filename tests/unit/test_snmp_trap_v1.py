"""SNMPv1 traps: what they mean in v2c, about whom they are, and what is none."""

from __future__ import annotations

import pytest

from device_drivers.api import Oid, SnmpCredentials
from device_drivers.snmp_ber import INTEGER, IP_ADDRESS, OID, SEQUENCE, TIME_TICKS, BerError, read_oid, wrap
from device_drivers.snmp_codec import TRAP, V1, V2C, bind, community_message, parse_message, value_tlv
from device_drivers.snmp_gate import Gate, Sender
from device_drivers.snmp_trap_v1 import SNMP_TRAP_OID, SNMP_TRAPS, TRAP_V1, translate

MIKROTIK: Oid = (1, 3, 6, 1, 4, 1, 14988, 1)
IF_INDEX: Oid = (1, 3, 6, 1, 2, 1, 2, 2, 1, 1, 4)


def trap_v1(generic: int = 2, specific: int = 0, agent: bytes = b"\x0a\x00\x00\x01") -> bytes:
    """A Trap-PDU of RFC 1157 section 4.1.6."""
    binds = wrap(SEQUENCE, bind(IF_INDEX, value_tlv(INTEGER, 4)))
    numbers = value_tlv(INTEGER, generic) + value_tlv(INTEGER, specific) + value_tlv(TIME_TICKS, 4711)
    return wrap(TRAP_V1, value_tlv(OID, MIKROTIK) + wrap(IP_ADDRESS, agent) + numbers + binds)


def of(generic: int, specific: int = 0) -> dict[Oid, object]:
    """The values of the translation."""
    message = parse_message(translate(community_message(V1, b"street", trap_v1(generic, specific))).message)
    assert (message.version, message.community, message.pdu.kind) == (V2C, b"street", TRAP)
    return {read_oid(raw): value for raw, _, value in message.pdu.binds}


@pytest.mark.parametrize(("generic", "kind"), [(0, 1), (1, 2), (2, 3), (3, 4), (4, 5), (5, 6)])
def test_generic_traps_are_counted_from_one_in_v2c(generic: int, kind: int) -> None:
    found = of(generic)
    assert found[SNMP_TRAP_OID] == (*SNMP_TRAPS, kind)
    assert next(iter(found)) == (1, 3, 6, 1, 2, 1, 1, 3, 0), "sysUpTime comes first (RFC 3416 section 4.2.6)"
    assert found[IF_INDEX] == 4
    assert b"street" not in found.values()


def test_a_makers_own_trap_is_named_under_its_enterprise() -> None:
    assert of(6, 17)[SNMP_TRAP_OID] == (*MIKROTIK, 0, 17)


def test_it_is_about_its_sender_or_behind_a_relay_about_the_node_it_names() -> None:
    gate = Gate(b"\x80\x00\x1f\x88\x01ours")
    nodes = [Sender(f"ge-bue-000{at}", f"10.0.0.{at}", SnmpCredentials("2c", "street")) for at in (1, 2)]
    gate.know(nodes)
    raw = community_message(V1, b"street", trap_v1())
    for address, node in (("10.0.0.2", nodes[1]), ("192.0.2.1", nodes[0])):
        passed = gate.look(raw, address)
        assert passed is not None
        assert (passed.sender, passed.version) == (node, "1")
    assert gate.look(community_message(V1, b"public", trap_v1()), "10.0.0.1") is None
    assert gate.counts == {"wrong_rights": 1}


@pytest.mark.parametrize(
    "broken",
    [trap_v1(7), trap_v1(-1), trap_v1(agent=b"\x0a\x00\x00"), trap_v1() + b"\x05\x00", trap_v1()[:-1], b"\x05\x00"],
    ids=["generic 7", "generic -1", "short address", "something behind", "cut", "no trap"],
)
def test_what_is_no_trap_is_refused(broken: bytes) -> None:
    with pytest.raises(BerError):
        translate(community_message(V1, b"street", broken))
