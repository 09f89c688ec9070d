"""Our decoder against pysnmp's on more than 100,000 damaged packets: the same content, or one error type and a rule."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable
from typing import Any

import pytest
from pyasn1.codec.ber import decoder
from pyasn1.error import PyAsn1Error
from pyasn1.type import univ
from pysnmp.proto.api import v2c
from pysnmp.proto.mpmod.rfc3412 import SNMPv3Message
from pysnmp.proto.secmod.rfc3414.service import UsmSecurityParameters

from device_drivers.snmp_ber import INTEGER, BerError, read_oid
from device_drivers.snmp_codec import (
    GET,
    GETBULK,
    GETNEXT,
    INFORM,
    REPORT,
    RESPONSE,
    SET,
    TRAP,
    Pdu,
    bind,
    community_message,
    parse_message,
    pdu,
    read_pdu,
    value_tlv,
)
from device_drivers.snmp_keys import NO_KEYS
from device_drivers.snmp_v3 import open_scoped, parse
from tests.property.snmp_mutations import damage, recorded, recorded_v3, reshape

COMMUNITY_ROUNDS, V3_ROUNDS = 90_000, 20_000
KINDS = {
    GET: "GetRequestPDU",
    GETNEXT: "GetNextRequestPDU",
    RESPONSE: "ResponsePDU",
    SET: "SetRequestPDU",
    GETBULK: "GetBulkRequestPDU",
    INFORM: "InformRequestPDU",
    TRAP: "SNMPv2TrapPDU",
    REPORT: "ReportPDU",
}
COMMUNITY_SPEC, V3_SPEC, SECURITY_SPEC = v2c.Message(), SNMPv3Message(), UsmSecurityParameters()

STRICTER = {
    "indefinite, oversized or cut length": "RFC 3417 section 8 (1): definite lengths; nobody needs more than 4 bytes",
    "INTEGER of a length SNMP does not know": "X.690 8.3.1: one byte at least; beyond 8 nobody means a number",
    "unsigned value of a length SNMP does not know": "RFC 2578 section 7.1: 32 or 64 bits and their leading zero",
    "OBJECT IDENTIFIER beyond SNMP's limits": "RFC 2578 section 7.1.3: sub-identifiers below 2^32, at most 128",
    "sub-identifier above 2^32-1": "RFC 2578 section 7.1.3",
    "value of tag 0x24": "RFC 3417 section 8 (2): strings in primitive form",
    "value of tag 0x60": "the same, IpAddress",
    "value of tag 0x64": "the same, Opaque",
    "number of a PDU out of range": "RFC 3416 section 3: status, index and bulk numbers are not negative",
    "version": "RFC 1901 and RFC 1157: 1 or 0",
    "a security model other than USM": "ours to read is the User-based Security Model alone",
    "privacy without authentication": "RFC 3412 section 7.2 (5d)",
    "privacy flag and scoped PDU disagree": "RFC 3412 section 6.7",
    "tag 0x24 where": "RFC 3417 section 8 (2)",
    "no SNMPv3 message": "RFC 3412 section 6.1",
}
"""What we refuse though pyasn1 takes it, and why."""
RULES = tuple(STRICTER)


def plain(value: Any) -> int | bytes | tuple[int, ...] | None:
    """A pyasn1 object as the Python value our decoder yields."""
    while hasattr(value, "getComponent"):
        value = value.getComponent()
    if isinstance(value, univ.Null):
        return None
    if isinstance(value, univ.Integer):
        return int(value)
    return tuple(value) if isinstance(value, univ.ObjectIdentifier) else bytes(value)


def whole(raw: bytes, spec: Any) -> Any:
    found, rest = decoder.decode(raw, asn1Spec=spec)
    if rest:
        raise PyAsn1Error("something behind the message")
    return found


def their_pdu(body: Any) -> object:
    binds = tuple((tuple(one[0]), plain(one[1])) for one in body[3])
    return type(body).__name__, int(body[0]), int(body[1]), int(body[2]), binds


def our_pdu(got: Pdu) -> object:
    binds = tuple((read_oid(name), value) for name, _, value in got.binds)
    return KINDS[got.kind], got.request_id, got.status, got.index, binds


def theirs(raw: bytes) -> object:
    message = whole(raw, COMMUNITY_SPEC)
    return int(message[0]), bytes(message[1]), their_pdu(v2c.apiMessage.get_pdu(message))


def ours(raw: bytes) -> object:
    message = parse_message(raw)
    return message.version, message.community, our_pdu(message.pdu)


def laxer(got: Pdu) -> bool:
    """Whether we may take what pyasn1 refuses: values that net-snmp reads too and that have one meaning only.

    An INTEGER of up to 64 bits; a counter of full width without its leading zero, which in our own encoding has it.
    """
    if any(tag == INTEGER and isinstance(value, int) and value >> 31 not in (0, -1) for _, tag, value in got.binds):
        return True
    binds = [bind(name, value_tlv(tag, value)) for name, tag, value in got.binds]
    again = community_message(1, b"", pdu(got.kind, got.request_id, got.status, got.index, binds))
    return theirs(again) == (1, b"", our_pdu(got))


def laxer_v2(raw: bytes) -> bool:
    return laxer(parse_message(raw).pdu)


def laxer_v3(raw: bytes) -> bool:
    got = parse(raw)
    return got.sealed is None and laxer(read_pdu(*open_scoped(raw, got, NO_KEYS)))


def theirs_v3(raw: bytes) -> object:
    message = whole(raw, V3_SPEC)
    head = message[1]
    security = whole(bytes(message[2]), SECURITY_SPEC)
    inside = message[3].getComponent()
    sealed = message[3].getName() == "encryptedPDU"
    body = bytes(inside) if sealed else their_pdu(inside[2].getComponent())
    return int(head[0]), bytes(head[2])[0], tuple(plain(one) for one in security.values()), body


def ours_v3(raw: bytes) -> object:
    got = parse(raw)
    security = got.engine_id, got.boots, got.time_s, got.user, got.digest, got.salt
    body = got.sealed if got.sealed is not None else our_pdu(read_pdu(*open_scoped(raw, got, NO_KEYS)))
    return got.msg_id, got.flags, security, body


def compare(
    raw: bytes, mine: Callable[[bytes], object], other: Callable[[bytes], object], lax: Callable[[bytes], bool]
) -> str:
    """What became of one packet; anything but the error types named here ends the test."""
    try:
        expected: object = other(raw)
    except (PyAsn1Error, IndexError, OverflowError):  # pyasn1 0.6.5 lets the last two escape
        expected = None
    got, reason = None, ""
    try:
        got = mine(raw)
    except BerError as error:
        reason = str(error)
    if got is None:
        assert expected is None or reason.startswith(RULES), f"{raw.hex()} refused without a rule: {reason}"
        return "both refuse" if expected is None else "stricter"
    if expected is None:
        assert lax(raw), f"{raw.hex()} taken as {got}, refused by pyasn1"
        return "laxer"
    assert got == expected, raw.hex()
    return "equal"


def test_undamaged_packets_read_the_same() -> None:
    assert {compare(raw, ours, theirs, laxer_v2) for raw in recorded()} == {"equal"}
    assert {compare(raw, ours_v3, theirs_v3, laxer_v3) for raw in recorded_v3()} == {"equal"}


@pytest.mark.parametrize("change", [damage, reshape])
def test_damaged_community_messages_read_the_same_or_are_refused(
    change: Callable[[bytes, random.Random], bytes],
) -> None:
    rng, packets, outcomes = random.Random(f"community {change.__name__}"), recorded(), Counter[str]()
    for _ in range(COMMUNITY_ROUNDS // 2):
        outcomes[compare(change(rng.choice(packets), rng), ours, theirs, laxer_v2)] += 1
    assert outcomes["equal"] > COMMUNITY_ROUNDS // 40, outcomes
    assert outcomes["both refuse"] > COMMUNITY_ROUNDS // 10, outcomes


def test_damaged_v3_messages_read_the_same_or_are_refused() -> None:
    rng, packets, outcomes = random.Random("v3"), recorded_v3(), Counter[str]()
    for turn in range(V3_ROUNDS):
        change = reshape if turn % 2 else damage
        outcomes[compare(change(rng.choice(packets), rng), ours_v3, theirs_v3, laxer_v3)] += 1
    assert outcomes["equal"] > V3_ROUNDS // 20, outcomes
