"""Answers whose objects are known beforehand are read without naming each object again. No I/O.

Nine tenths of an answer's decoding is about names, and names change only when a node's interfaces do. A `Layout` is
the exact sequence of names of an earlier answer that went through every check; an answer with the same sequence has
the same rows, so only lengths and values remain to be checked. Anything else goes the long way.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from device_drivers.api import Oid, PollPlan
from device_drivers.snmp_ber import (
    COUNTER32,
    COUNTER64,
    GAUGE32,
    INTEGER,
    OCTETS,
    OID,
    SEQUENCE,
    TIME_TICKS,
    oid_body,
    read_oid,
    wrap,
)
from device_drivers.snmp_codec import Value, VarBind, community_message, get, get_bulk, value_of

Names = tuple[tuple[bytes, int], ...]
"""Per object its encoded name with header, and how far behind the binding's start its value begins."""

_SHORT: Final = {COUNTER32: 4, GAUGE32: 4, TIME_TICKS: 4, COUNTER64: 8, INTEGER: 8}
SURELY_IN_RANGE: Final = bytes(_SHORT.get(tag, 0) for tag in range(256))
"""By tag: up to how many bytes a number that is not negative cannot leave its type's range."""
PATCH_ID: Final = 0x7F5A5A5A


@dataclass(frozen=True, slots=True, weakref_slot=True)
class Layout:
    """All names of one answer that holds a plan's whole table; `rows` are the indexes of its rows."""

    plan: PollPlan
    names: Names
    rows: tuple[Oid, ...]


class Prepared:
    """A plan with all that can be encoded once for all nodes."""

    def __init__(self, plan: PollPlan) -> None:
        self.plan = plan
        self.scalars = names_of([oid_body(oid) for oid in plan.scalars])
        self.bases = [oid_body(column) for column in plan.columns]
        self._requests: dict[tuple[int, str | None], tuple[bytes, bytes]] = {}

    def around_id(self, repetitions: int, community: str | None) -> tuple[bytes, bytes]:
        """What stands before and after the request id: of a v2c message, or of the PDU alone without community.

        No repetitions ask for the scalars.
        """
        key = (repetitions, community)
        found = self._requests.get(key)
        if found is None:
            plan = self.plan
            pdu = get_bulk(PATCH_ID, repetitions, plan.columns) if repetitions else get(PATCH_ID, plan.scalars)
            whole = pdu if community is None else community_message(1, community.encode(), pdu)
            at = len(whole) - len(pdu) + pdu.index(PATCH_ID.to_bytes(4, "big"))
            found = self._requests[key] = (whole[:at], whole[at + 4 :])
        return found


def names_of(oids: Sequence[bytes]) -> Names:
    """What `values` compares, from encoded object identifiers."""
    return tuple([(tlv := wrap(OID, oid), len(tlv) + 2) for oid in oids])


def layout_of(prepared: Prepared, binds: Sequence[VarBind], rows: Sequence[bytes]) -> Layout | None:
    """The layout of an answer that was taken to be the whole table; None when a cell is missing in between."""
    bases = prepared.bases
    if [raw for raw, _, _ in binds[: len(rows) * len(bases)]] != [base + row for row in rows for base in bases]:
        return None
    return Layout(prepared.plan, names_of([raw for raw, _, _ in binds]), tuple(map(index_of, rows)))


def index_of(raw: bytes) -> Oid:
    """Sub-identifiers behind a column: an OID without the two that share the first byte."""
    return read_oid(b"\x00" + raw)[2:]


def values(buf: bytes, at: int, end: int, names: Names, present: int) -> list[Value] | None:
    """The values between `at` and `end` if exactly these names are there, else None: decode the long way.

    The first `present` values must be values, not exceptions. BerError only for what is wrong the long way too.
    """
    found: list[Value] = []
    append = found.append
    try:
        for name, skip in names:
            here = at + skip
            size = buf[here + 1]
            inner = buf[at + 1]
            if inner != skip + size or inner > 0x7F or buf[at] != SEQUENCE or not buf.startswith(name, at + 2):
                return None
            start = here + 2
            at = start + size
            tag = buf[here]
            if tag == OCTETS:
                append(buf[start:at])
            elif 0 < size <= SURELY_IN_RANGE[tag] and buf[start] < 0x80:
                append(int.from_bytes(buf[start:at], "big"))
            else:
                value = value_of(buf, tag, start, at)
                if value is None and len(found) < present:
                    return None
                append(value)
    except IndexError:
        return None
    return found if at == end else None
