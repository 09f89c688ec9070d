"""SNMP messages and PDUs, both ways (RFC 3416, RFC 1901): what a console sends and what an agent answers. No I/O.

An agent uses `parse_message` for community messages, answers `Pdu.request_id` with `response(...)` and wraps it
with `community_message`; for SNMPv3 see `snmp_v3.Authority`, which hands out and takes PDU bytes of this module.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from device_drivers.snmp_ber import (
    COUNTER32,
    COUNTER64,
    EXCEPTIONS,
    GAUGE32,
    INTEGER,
    IP_ADDRESS,
    NULL,
    OCTETS,
    OID,
    OPAQUE,
    SEQUENCE,
    TIME_TICKS,
    UNSIGNED,
    BerError,
    expect,
    id_tlv,
    integer,
    integer_tlv,
    oid_body,
    oid_tlv,
    read_oid,
    tlv,
    wrap,
)

GET, GETNEXT, RESPONSE, SET, GETBULK, INFORM, TRAP, REPORT = 0xA0, 0xA1, 0xA2, 0xA3, 0xA5, 0xA6, 0xA7, 0xA8
V1, V2C, V3 = 0, 1, 3
TOO_BIG, NO_SUCH_NAME, GEN_ERR, NO_ACCESS, NOT_WRITABLE = 1, 2, 5, 6, 17
KINDS = frozenset({GET, GETNEXT, RESPONSE, SET, GETBULK, INFORM, TRAP, REPORT})
MAX_INT = (1 << 31) - 1
NULL_TLV = b"\x05\x00"

Value = int | bytes | tuple[int, ...] | None
VarBind = tuple[bytes, int, Value]
"""The encoded OID (compare and slice it as bytes; `snmp_ber.read_oid` makes it a tuple), the value's tag, the value."""


@dataclass(frozen=True, slots=True)
class Pdu:
    """Any PDU but a v1 trap. For GETBULK `status` is non-repeaters and `index` is max-repetitions."""

    kind: int
    request_id: int
    status: int
    index: int
    binds: tuple[VarBind, ...]


class Head(NamedTuple):
    """A PDU whose bindings were not read yet; they lie between `first` and `last`. A tuple, for its price."""

    kind: int
    request_id: int
    status: int
    position: int
    first: int
    last: int


@dataclass(frozen=True, slots=True)
class CommunityMessage:
    """A v1 or v2c message."""

    version: int
    community: bytes
    pdu: Pdu


def value_of(buf: bytes, tag: int, start: int, stop: int) -> Value:
    """Decode one value; exceptions (noSuchObject and its like) and NULL are None."""
    bits = UNSIGNED.get(tag)
    if bits is not None:
        if not 0 < stop - start <= bits // 8 + 1:
            raise BerError("unsigned value of a length SNMP does not know")
        if buf[start] & 0x80 and stop - start != bits // 8:
            # At full width careless agents leave the leading zero out and mean what is there; shorter it is negative.
            raise BerError("unsigned value that is negative")
        value = int.from_bytes(buf[start:stop], "big")
        if value >> bits:
            raise BerError("unsigned value above its range")
        return value
    if tag == OCTETS:
        return buf[start:stop]
    if tag == INTEGER:
        return integer(buf, start, stop)
    if tag == OID:
        return read_oid(buf[start:stop])
    if (tag == NULL or tag in EXCEPTIONS) and start == stop:
        return None
    if tag == OPAQUE or (tag == IP_ADDRESS and stop - start == 4):
        return buf[start:stop]
    raise BerError(f"value of tag 0x{tag:02x} and {stop - start} bytes")


def parse_binds(buf: bytes, at: int, end: int) -> list[VarBind]:
    """The variable bindings between `at` and `end`. Short headers are read in place: this is the hot loop."""
    binds: list[VarBind] = []
    append = binds.append
    while at < end:
        if end - at > 5 and buf[at] == SEQUENCE and buf[at + 1] < 0x80 and buf[at + 2] == OID and buf[at + 3] < 0x80:
            stop = at + 2 + buf[at + 1]
            name_end = at + 4 + buf[at + 3]
            if stop <= end and name_end + 2 <= stop and name_end + 2 + buf[name_end + 1] == stop:
                raw = buf[at + 4 : name_end]
                read_oid(raw)
                tag = buf[name_end]
                if tag == OCTETS:
                    append((raw, tag, buf[name_end + 2 : stop]))
                else:
                    append((raw, tag, value_of(buf, tag, name_end + 2, stop)))
                at = stop
                continue
        found, at = _parse_bind(buf, at, end)
        append(found)
    return binds


def _parse_bind(buf: bytes, at: int, end: int) -> tuple[VarBind, int]:
    """One binding with headers of any length, and where the next begins."""
    start, stop = expect(buf, at, end, SEQUENCE)
    name, name_end = expect(buf, start, stop, OID)
    tag, value, value_end = tlv(buf, name_end, stop)
    if value_end != stop:
        raise BerError("something behind the value of a binding")
    raw = buf[name:name_end]
    read_oid(raw)
    return (raw, tag, value_of(buf, tag, value, value_end)), stop


def pdu_head(buf: bytes, at: int, end: int) -> Head:
    """The numbers of a PDU that fills the space up to `end` exactly, and where its bindings are."""
    kind, at, stop = tlv(buf, at, end)
    if kind not in KINDS:
        raise BerError(f"PDU of unknown tag 0x{kind:02x}")
    if stop != end:
        raise BerError("something behind the PDU")
    first, at = expect(buf, at, stop, INTEGER)
    request_id = integer(buf, first, at)
    first, at = expect(buf, at, stop, INTEGER)
    status = integer(buf, first, at)
    first, at = expect(buf, at, stop, INTEGER)
    index = integer(buf, first, at)
    if not (-(1 << 31) <= request_id <= MAX_INT and 0 <= status <= MAX_INT and 0 <= index <= MAX_INT):
        raise BerError("number of a PDU out of range")
    first, last = expect(buf, at, stop, SEQUENCE)
    if last != stop:
        raise BerError("something behind the bindings")
    return Head(kind, request_id, status, index, first, last)


def read_pdu(buf: bytes, head: Head) -> Pdu:
    """The PDU with its bindings."""
    return Pdu(*head[:4], tuple(parse_binds(buf, head.first, head.last)))


def parse_pdu(buf: bytes, at: int, end: int) -> Pdu:
    """One PDU that fills the space up to `end` exactly."""
    return read_pdu(buf, pdu_head(buf, at, end))


def version_at(buf: bytes) -> tuple[int, int, int]:
    """Version of any SNMP message, where it goes on and where it ends: the first thing to look at."""
    start, end = expect(buf, 0, len(buf), SEQUENCE)
    if end != len(buf):
        raise BerError("something behind the message")
    first, at = expect(buf, start, end, INTEGER)
    return integer(buf, first, at), at, end


def version_of(buf: bytes) -> int:
    """The version number of any SNMP message."""
    return version_at(buf)[0]


def parse_message(buf: bytes) -> CommunityMessage:
    """A whole v1 or v2c message; BerError for anything else."""
    version, at, end = version_at(buf)
    if version not in (V1, V2C):
        raise BerError(f"version {version} is no community message")
    first, at = expect(buf, at, end, OCTETS)
    return CommunityMessage(version, buf[first:at], parse_pdu(buf, at, end))


def value_tlv(tag: int, value: Value) -> bytes:
    """Encode one value under its tag."""
    if tag in (INTEGER, COUNTER32, GAUGE32, TIME_TICKS, COUNTER64) and isinstance(value, int):
        return integer_tlv(value, tag)
    if tag == OID and isinstance(value, tuple):
        return oid_tlv(value)
    if value is None:
        return bytes((tag, 0))
    if isinstance(value, bytes):
        return wrap(tag, value)
    raise BerError(f"value {value!r} does not fit tag 0x{tag:02x}")


def bind(oid: tuple[int, ...] | bytes, encoded_value: bytes) -> bytes:
    """One variable binding; the OID as a tuple or already encoded."""
    body = oid if isinstance(oid, bytes) else oid_body(oid)
    return wrap(SEQUENCE, wrap(OID, body) + encoded_value)


def pdu(kind: int, request_id: int, status: int, index: int, binds: Iterable[bytes]) -> bytes:
    """A PDU from encoded bindings; `request_id` must lie between 2^24 and 2^31 - 1 or come from a request."""
    number = id_tlv(request_id) if request_id >> 24 and 0 <= request_id < 1 << 31 else integer_tlv(request_id)
    return wrap(kind, number + integer_tlv(status) + integer_tlv(index) + wrap(SEQUENCE, b"".join(binds)))


def get(request_id: int, oids: Sequence[tuple[int, ...]]) -> bytes:
    """A GET for exactly these objects."""
    return pdu(GET, request_id, 0, 0, [bind(oid, NULL_TLV) for oid in oids])


def get_bulk(request_id: int, repetitions: int, starts: Sequence[tuple[int, ...] | bytes], once: int = 0) -> bytes:
    """A GETBULK: one object after each of the first `once` starts, of the rest `repetitions` rows of every column."""
    return pdu(GETBULK, request_id, once, repetitions, [bind(start, NULL_TLV) for start in starts])


def response(request_id: int, status: int, index: int, binds: Iterable[bytes]) -> bytes:
    """An agent's answer."""
    return pdu(RESPONSE, request_id, status, index, binds)


def community_message(version: int, community: bytes, encoded_pdu: bytes) -> bytes:
    """Wrap a PDU for v1 or v2c."""
    return wrap(SEQUENCE, integer_tlv(version) + wrap(OCTETS, community) + encoded_pdu)
