"""Who may notify us: known engines at their full security level, nothing old, everything else counted."""

from __future__ import annotations

from dataclasses import replace

import pytest

from device_drivers.api import SnmpCredentials
from device_drivers.snmp_ber import INTEGER, OCTETS, OID, TIME_TICKS
from device_drivers.snmp_codec import GET, TRAP, V1, V2C, bind, community_message, pdu, value_tlv
from device_drivers.snmp_gate import (
    IF_ENTRY,
    IF_NAME,
    MOST_UNKNOWN,
    SNMP_TRAP_OID,
    SNMP_TRAPS,
    SYS_UPTIME,
    Bind,
    Gate,
    Passed,
    Sender,
    notification,
)
from device_drivers.snmp_keys import local_keys
from device_drivers.snmp_v3 import AUTH, PRIV, seal

OURS = bytes.fromhex("80001f8880aabbccdd11223344")
THEIRS = bytes.fromhex("8000000001020304aa")
V3 = SnmpCredentials("3", "", "ops", "sha256", "authenticate-me", "aes128", "keep-it-private")
NODE = Sender("ge-bue-0001", "10.0.0.1", V3, THEIRS, boots=4)
OTHER = Sender("ge-bue-0002", "10.0.0.2", SnmpCredentials("2c", "street"))


def trap(number: int = 3) -> bytes:
    kind = bind(SNMP_TRAP_OID, value_tlv(OID, (*SNMP_TRAPS, number)))
    return pdu(TRAP, 7, 0, 0, [bind(SYS_UPTIME, value_tlv(TIME_TICKS, 4711)), kind])


def sealed(
    *,
    engine_id: bytes = THEIRS,
    boots: int = 4,
    time_s: int = 1000,
    flags: int = AUTH | PRIV,
    rights: SnmpCredentials = V3,
) -> bytes:
    keys = local_keys(rights, engine_id)
    return seal(trap(), 7, flags, (engine_id, boots, time_s), rights.user.encode(), keys, bytes(8))


@pytest.fixture
def gate() -> Gate:
    found = Gate(OURS)
    found.know([NODE, OTHER])
    return found


def test_a_known_node_passes_in_both_versions(gate: Gate) -> None:
    first = gate.look(sealed(), "192.0.2.7")
    second = gate.look(community_message(V2C, b"street", trap()), "10.0.0.2")
    assert first is not None
    assert second is not None
    assert (first.sender, second.sender) == (NODE, OTHER)
    assert gate.counts == {}


@pytest.mark.parametrize(
    ("raw", "reason"),
    [
        (community_message(V2C, b"public", trap()), "wrong_rights"),
        (community_message(V2C, b"street", pdu(GET, 7, 0, 0, [])), "garbled"),
        (community_message(V1, b"street", trap()), "garbled"),
        (b"hello", "garbled"),
        (sealed(engine_id=THEIRS[:-1] + b"x"), "unknown_engine"),
        (sealed(rights=replace(V3, user="root")), "wrong_rights"),
        (sealed(flags=0), "too_weak"),
        (sealed(flags=AUTH), "too_weak"),
        (sealed(boots=3), "too_old"),
    ],
)
def test_everybody_else_is_counted_by_reason(gate: Gate, raw: bytes, reason: str) -> None:
    assert gate.look(raw, "10.0.0.1") is None
    assert gate.counts == {reason: 1}


def test_a_recorded_trap_cannot_be_played_again_after_the_window(gate: Gate) -> None:
    old = gate.look(sealed(time_s=1000), "10.0.0.1")
    new = gate.look(sealed(time_s=1200), "10.0.0.1")
    assert old is not None
    assert new is not None
    gate.accepted(old)
    assert gate.look(sealed(time_s=1000), "10.0.0.1") is not None
    gate.accepted(new)
    assert gate.look(sealed(time_s=1000), "10.0.0.1") is None
    assert gate.look(sealed(time_s=1100), "10.0.0.1") is not None
    rebooted = gate.look(sealed(boots=5, time_s=3), "10.0.0.1")
    assert rebooted is not None
    gate.accepted(rebooted)
    assert gate.look(sealed(time_s=1200), "10.0.0.1") is None
    assert gate.counts == {"too_old": 2}


def test_unknown_engines_are_shown_until_they_are_known_and_cannot_fill_the_memory(gate: Gate) -> None:
    stranger = THEIRS[:-1] + b"x"
    gate.look(sealed(engine_id=stranger), "10.0.0.8")
    gate.look(sealed(engine_id=stranger), "10.0.0.9")
    (shown,) = gate.unknown()
    assert (shown.engine_id, shown.address, shown.user, shown.count) == (stranger.hex(), "10.0.0.9", "ops", 2)
    for number in range(MOST_UNKNOWN + 50):
        gate.look(sealed(engine_id=THEIRS + bytes((number,))), "10.0.0.8")
    assert len(gate.unknown()) == MOST_UNKNOWN
    assert gate.unknown()[0].count == 2
    gate.know([NODE, replace(NODE, node_id="ge-bue-0003", engine_id=stranger)])
    assert stranger.hex() not in {one.engine_id for one in gate.unknown()}
    assert gate.look(sealed(engine_id=stranger), "10.0.0.8") is not None


LINK: tuple[Bind, ...] = (
    (SYS_UPTIME, 4711),
    (SNMP_TRAP_OID, (*SNMP_TRAPS, 3)),
    ((*IF_ENTRY, 1, 12), 12),
    ((*IF_ENTRY, 2, 12), b"radio 1"),
)


def test_a_link_notification_names_its_interface() -> None:
    passed = Passed(b"", "10.0.0.1", "3", NODE)
    found = notification(passed, LINK)
    assert found is not None
    assert (found.node_id, found.kind, found.uptime_ticks) == ("ge-bue-0001", "link_down", 4711)
    assert (found.if_index, found.interface) == (12, "radio 1")
    named = notification(passed, (*LINK, ((*IF_NAME, 12), b"wlan0")))
    assert named is not None
    assert named.interface == "wlan0"


def test_what_does_not_say_its_kind_is_no_notification() -> None:
    passed = Passed(b"", "10.0.0.1", "2c", None)
    assert notification(passed, LINK[:1]) is None
    foreign = notification(passed, ((SNMP_TRAP_OID, (1, 3, 6, 1, 4, 1, 8072, 4, 0, 3)),))
    assert foreign is not None
    assert (foreign.kind, foreign.node_id) == ("other", "")


def test_values_of_link_traps_have_the_tags_agents_send() -> None:
    raw = pdu(TRAP, 1, 0, 0, [bind((*IF_ENTRY, 1, 2), value_tlv(INTEGER, 2)), bind(IF_NAME, value_tlv(OCTETS, b"a"))])
    gate = Gate(OURS)
    gate.know([OTHER])
    assert gate.look(community_message(V2C, b"street", raw), "10.0.0.2") is not None


TWIN = replace(NODE, node_id="ge-bue-0003", address="10.0.0.3", boots=9)


def test_two_nodes_of_one_image_are_told_apart_by_their_addresses() -> None:
    gate = Gate(OURS)
    gate.know([NODE, TWIN])
    told: list[str] = []
    for address, boots, time_s in (
        ("10.0.0.3", 9, 9000),
        ("10.0.0.1", 4, 10),
        ("10.0.0.3", 9, 9001),
        ("10.0.0.1", 4, 11),
    ):
        passed = gate.look(sealed(boots=boots, time_s=time_s), address)
        assert passed is not None, gate.counts
        assert passed.sender is not None
        gate.accepted(passed)
        told.append(passed.sender.node_id)
    assert told == ["ge-bue-0003", "ge-bue-0001"] * 2
    assert gate.look(sealed(boots=4, time_s=12), "10.0.0.3") is None, "to its twin this is the past"
    assert gate.counts == {"too_old": 1}


def test_what_a_relay_sends_on_for_one_of_two_of_one_image_is_nobodys() -> None:
    gate = Gate(OURS)
    gate.know([NODE, TWIN, replace(TWIN, node_id="ge-bue-0004", credentials=replace(V3, user="own"))])
    both = gate.look(sealed(), "192.0.2.7")
    own = gate.look(sealed(boots=9, rights=replace(V3, user="own")), "192.0.2.7")
    assert both is not None
    assert both.sender is not None
    assert own is not None
    assert own.sender is not None
    assert (both.sender.node_id, own.sender.node_id) == ("", "ge-bue-0004")


@pytest.mark.parametrize(
    ("inventory", "sender"),
    [
        ("2001:DB8:0:0::1", "2001:db8::1"),
        ("::ffff:10.0.0.2", "10.0.0.2"),
        ("10.0.0.2", "::ffff:10.0.0.2"),
        ("fe80:0::1%eth0", "fe80::1%eth0"),
    ],
)
def test_an_address_is_the_same_however_it_is_written(inventory: str, sender: str) -> None:
    gate = Gate(OURS)
    gate.know([replace(OTHER, address=inventory)])
    passed = gate.look(community_message(V2C, b"street", trap()), sender)
    assert passed is not None
    assert passed.sender is not None
    assert passed.sender.node_id == OTHER.node_id


def test_nodes_behind_one_address_are_told_apart_by_their_rights_or_not_at_all() -> None:
    gate = Gate(OURS)
    gate.know([OTHER, replace(OTHER, node_id="ge-bue-0005", credentials=SnmpCredentials("2c", "park"))])
    told = [gate.look(community_message(V2C, name, trap()), "10.0.0.2") for name in (b"park", b"street")]
    assert [one and one.sender and one.sender.node_id for one in told] == ["ge-bue-0005", OTHER.node_id]
    gate.know([OTHER, replace(OTHER, node_id="ge-bue-0006")])
    passed = gate.look(community_message(V2C, b"street", trap()), "10.0.0.2")
    assert passed is not None
    assert passed.sender is None
