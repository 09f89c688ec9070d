"""The part of BER that SNMP uses (X.690, RFC 3417 section 8): bounds-checked, definite lengths only. No I/O."""

from __future__ import annotations

from functools import lru_cache

INTEGER, OCTETS, NULL, OID, SEQUENCE = 0x02, 0x04, 0x05, 0x06, 0x30
IP_ADDRESS, COUNTER32, GAUGE32, TIME_TICKS, OPAQUE, COUNTER64 = 0x40, 0x41, 0x42, 0x43, 0x44, 0x46
NO_SUCH_OBJECT, NO_SUCH_INSTANCE, END_OF_MIB_VIEW = 0x80, 0x81, 0x82
EXCEPTIONS = frozenset({NO_SUCH_OBJECT, NO_SUCH_INSTANCE, END_OF_MIB_VIEW})
UNSIGNED = {COUNTER32: 32, GAUGE32: 32, TIME_TICKS: 32, COUNTER64: 64}
MAX_SUBIDS = 128
"""RFC 3416 section 2.1: an OBJECT IDENTIFIER value holds at most 128 sub-identifiers."""


class BerError(ValueError):
    """The bytes are no BER that SNMP allows; the only error this package's decoders raise."""


def tlv(buf: bytes, at: int, end: int) -> tuple[int, int, int]:
    """Tag, start and stop of the value that begins at `at`; nothing may reach beyond `end`."""
    if at + 2 > end:
        raise BerError("ends inside a header")
    length = buf[at + 1]
    start = at + 2
    if length & 0x80:
        count = length & 0x7F
        if count == 0 or count > 4 or start + count > end:
            raise BerError("indefinite, oversized or cut length")
        length = int.from_bytes(buf[start : start + count], "big")
        start += count
    stop = start + length
    if stop > end:
        raise BerError("value longer than what holds it")
    return buf[at], start, stop


def expect(buf: bytes, at: int, end: int, tag: int) -> tuple[int, int]:
    """Start and stop of a value that must have this tag."""
    if at + 2 <= end and buf[at] == tag and buf[at + 1] < 0x80 and at + 2 + buf[at + 1] <= end:
        return at + 2, at + 2 + buf[at + 1]
    found, start, stop = tlv(buf, at, end)
    if found != tag:
        raise BerError(f"tag 0x{found:02x} where 0x{tag:02x} belongs")
    return start, stop


def integer(buf: bytes, start: int, stop: int) -> int:
    """A signed INTEGER; longer than necessary is accepted, as net-snmp and gosnmp do, beyond 8 bytes is not."""
    if not 0 < stop - start <= 8:
        raise BerError("INTEGER of a length SNMP does not know")
    return int.from_bytes(buf[start:stop], "big", signed=True)


@lru_cache(maxsize=8192)
def read_oid(raw: bytes) -> tuple[int, ...]:
    """Sub-identifiers of an encoded OBJECT IDENTIFIER (X.690 section 8.19)."""
    if not raw or raw[-1] & 0x80:
        raise BerError("empty or cut OBJECT IDENTIFIER")
    subids: list[int] = []
    value = 0
    for byte in raw:
        if byte == 0x80 and not value:
            # X.690 section 8.19.2; it would give one object two encodings, and they are compared as bytes.
            raise BerError("sub-identifier with a leading zero")
        value = value << 7 | byte & 0x7F
        if not byte & 0x80:
            if value >> 32 and subids:
                raise BerError("sub-identifier above 2^32-1")
            subids.append(value)
            value = 0
    first = subids[0]
    head = (first // 40, first % 40) if first < 80 else (2, first - 80)
    if len(subids) >= MAX_SUBIDS or first >= 80 + (1 << 32):
        raise BerError("OBJECT IDENTIFIER beyond SNMP's limits")
    return (*head, *subids[1:])


@lru_cache(maxsize=65_536)
def oid_body(oid: tuple[int, ...]) -> bytes:
    """The encoded value of an OBJECT IDENTIFIER, without its header."""
    if not 2 <= len(oid) <= MAX_SUBIDS:
        raise BerError("an OBJECT IDENTIFIER has 2 to 128 sub-identifiers")
    if oid[0] not in (0, 1, 2) or (oid[0] < 2 and oid[1] > 39) or not all(0 <= subid < 1 << 32 for subid in oid):
        raise BerError(f"not an OBJECT IDENTIFIER: {'.'.join(map(str, oid))}")
    out = bytearray()
    for subid in (oid[0] * 40 + oid[1], *oid[2:]):
        group = [subid & 0x7F]
        while subid := subid >> 7:
            group.append(subid & 0x7F | 0x80)
        out += bytes(reversed(group))
    return bytes(out)


def header(tag: int, size: int) -> bytes:
    """What stands before a value of this size."""
    if size < 0x80:
        return bytes((tag, size))
    if size < 0x100:
        return bytes((tag, 0x81, size))
    if size < 0x10000:
        return bytes((tag, 0x82, size >> 8, size & 0xFF))
    return bytes((tag, 0x84)) + size.to_bytes(4, "big")


def wrap(tag: int, body: bytes) -> bytes:
    """Header and body."""
    return header(tag, len(body)) + body


def integer_tlv(value: int, tag: int = INTEGER) -> bytes:
    """The shortest two's complement form; for unsigned types a leading zero byte keeps the sign away."""
    size = (value + (value < 0)).bit_length() // 8 + 1
    return bytes((tag, size)) + value.to_bytes(size, "big", signed=True)


def id_tlv(value: int) -> bytes:
    """An INTEGER of always four bytes, so that a template can be patched in place."""
    return b"\x02\x04" + value.to_bytes(4, "big")


def octets_tlv(value: bytes) -> bytes:
    """An OCTET STRING."""
    return wrap(OCTETS, value)


def oid_tlv(oid: tuple[int, ...]) -> bytes:
    """An OBJECT IDENTIFIER."""
    return wrap(OID, oid_body(oid))
