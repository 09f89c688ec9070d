"""Answers whose objects are known beforehand are not taken apart object by object. No I/O.

Nine tenths of an answer's decoding is about names, and names change only when a node's interfaces do. A `Layout` is
the exact sequence of names of an earlier answer that went through every check; an answer with the same sequence has
the same rows. Anything else goes the long way. How its values are cut out: `snmp_shape`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final
from weakref import WeakValueDictionary

from device_drivers.api import Oid, PollPlan
from device_drivers.snmp_ber import OID, oid_body, read_oid, wrap
from device_drivers.snmp_codec import VarBind, community_message, get, get_bulk
from device_drivers.snmp_shape import Names, Shape

PATCH_ID: Final = 0x7F5A5A5A


MOST_TOGETHER: Final = 1350
"""Bytes of bindings that fit a packet of 1500 with all that SNMPv3 puts around them (121 here): a fragment that some
tunnel drops would cost the whole poll."""
MOST_MISSES: Final = 3


@dataclass(frozen=True, slots=True, weakref_slot=True)
class Layout:
    """All names of one answer that holds a plan's whole table; `rows` are the indexes of its rows."""

    plan: PollPlan
    names: Names
    rows: tuple[Oid, ...]


@dataclass(slots=True)
class Remembered:
    """What a node's answers looked like at its last poll. Every part of it only saves work.

    Nothing `lasting` is worked out for a poll whose next of the same kind is far away. `complete` says that the node
    had every scalar, `misses` counts polls in a row for which asking everything at once was in vain, `lost` those in
    which many rows at once had no answer and few had. `silent` counts polls in a row that ended at a request with no
    answer which could have asked for less: the next one does.
    """

    rows: int = 0
    layout: Layout | None = None
    scalars: Shape | None = None
    cells: Shape | None = None
    complete: bool = False
    misses: int = 0
    lost: int = 0
    silent: int = 0
    lasting: bool = True

    def fits_together(self, plan: PollPlan) -> bool:
        """Whether one answer can be expected to hold all the plan asks for."""
        if self.layout is None or self.layout.plan is not plan or not self.complete or self.misses >= MOST_MISSES:
            return False
        return bool(self.scalars and self.cells and self.scalars.size + self.cells.size <= MOST_TOGETHER)

    def learn(self, layout: Layout | None) -> None:
        """Another table than before: what was known of its cells is not true of this one."""
        self.layout, self.cells = layout, None


class Prepared:
    """A plan with all that can be encoded once for all nodes."""

    def __init__(self, plan: PollPlan) -> None:
        self.plan = plan
        self.scalars = names_of([oid_body(oid) for oid in plan.scalars])
        self.bases = [oid_body(column) for column in plan.columns]
        self.layouts: WeakValueDictionary[Names, Layout] = WeakValueDictionary()
        self._requests: dict[tuple[int, bool, str | None], tuple[bytes, bytes]] = {}

    def around_id(self, repetitions: int, scalars: bool, community: str | None) -> tuple[bytes, bytes]:
        """What stands before and after the request id: of a v2c message, or of the PDU alone without community.

        Asked for are so many rows of the table, the `scalars`, or both.
        """
        key = (repetitions, scalars, community)
        found = self._requests.get(key)
        if found is None:
            pdu = self._question(repetitions, scalars)
            whole = pdu if community is None else community_message(1, community.encode(), pdu)
            at = len(whole) - len(pdu) + pdu.index(PATCH_ID.to_bytes(4, "big"))
            found = self._requests[key] = (whole[:at], whole[at + 4 :])
        return found

    def _question(self, repetitions: int, scalars: bool) -> bytes:
        plan = self.plan
        if not repetitions:
            return get(PATCH_ID, plan.scalars)
        if not scalars:
            return get_bulk(PATCH_ID, repetitions, plan.columns)
        starts = (*map(before, plan.scalars), *plan.columns)
        return get_bulk(PATCH_ID, repetitions, starts, len(plan.scalars))


def before(oid: Oid) -> Oid:
    """A name behind which this object comes next, if the agent has it (GETBULK asks for what follows)."""
    return oid[:-1] if oid[-1] == 0 else (*oid[:-1], oid[-1] - 1)


def names_of(oids: Sequence[bytes]) -> Names:
    """What `snmp_shape` compares, from encoded object identifiers."""
    return tuple([(tlv := wrap(OID, oid), len(tlv) + 2) for oid in oids])


def layout_of(prepared: Prepared, binds: Sequence[VarBind], rows: Sequence[bytes]) -> Layout | None:
    """The layout of an answer that was taken to be the whole table; None when a cell is missing in between."""
    bases = prepared.bases
    if [raw for raw, _, _ in binds[: len(rows) * len(bases)]] != [base + row for row in rows for base in bases]:
        return None
    names = names_of([raw for raw, _, _ in binds])
    found = prepared.layouts.get(names)
    if found is None:
        indexes = tuple(map(index_of, rows))
        found = prepared.layouts[names] = Layout(prepared.plan, names, indexes)
    return found


def index_of(raw: bytes) -> Oid:
    """Sub-identifiers behind a column: an OID without the two that share the first byte."""
    return read_oid(b"\x00" + raw)[2:]
