"""One poll of one agent as a state machine: which request comes next and what an answer means. No I/O, no clock."""

from __future__ import annotations

from device_drivers.api import EngineFacts, Oid, PollPlan, SnmpTarget, SnmpValue
from device_drivers.errors import Garbled, Refused, Unsupported
from device_drivers.snmp_ber import END_OF_MIB_VIEW, OID, read_oid, wrap
from device_drivers.snmp_codec import (
    NO_SUCH_NAME,
    RESPONSE,
    TOO_BIG,
    Head,
    VarBind,
    community_message,
    get_bulk,
    parse_binds,
)
from device_drivers.snmp_keys import NO_KEYS, LocalKeys
from device_drivers.snmp_layout import MOST_MISSES, Layout, Prepared, Remembered, index_of, layout_of
from device_drivers.snmp_shape import Names, Shape, behind, shape_of

FIRST_ROWS = 9
MOST_ROWS = 24


class Job:
    """The progress of one poll. `encode` gives what to ask, `take` digests the answer and says whether it is done.

    `known` is what the node's answers looked like at the last poll, afterwards at this one. What fits one packet is
    asked for `together`: half the packets, and all values of one moment. An agent that gives anything but the whole
    answer is asked for the rest as if it were unknown.
    """

    __slots__ = (
        "_answered",
        "_lasts",
        "_lost",
        "_missed",
        "_prepared",
        "_repetitions",
        "_rows",
        "address",
        "asked_at",
        "due_ms",
        "engine",
        "exchanges",
        "keys",
        "known",
        "request",
        "request_id",
        "resyncs",
        "rows",
        "rtt_ms",
        "scalars",
        "sent_at",
        "target",
        "together",
        "tries",
    )

    def __init__(self, target: SnmpTarget, prepared: Prepared, due_ms: int, known: Remembered) -> None:
        self.target = target
        self.address = (target.host, target.port)
        self.due_ms = due_ms
        self.engine: EngineFacts | None = None
        self.keys: LocalKeys = NO_KEYS
        self.known = known
        self.request_id = 0
        self.request = b""
        self.asked_at = 0.0
        self.sent_at = 0.0
        self.rtt_ms = -1.0
        self.tries = 0
        self.resyncs = 0
        self.exchanges = 0
        self.scalars: tuple[SnmpValue, ...] | None = None if prepared.plan.scalars else ()
        self.rows: dict[Oid, tuple[SnmpValue, ...]] = {}
        self._prepared = prepared
        self._rows: dict[bytes, list[SnmpValue]] = {}
        self._lasts: list[bytes | None] = list(prepared.bases)
        self._answered = False
        self._missed = False
        self._lost = False
        self.together = self.scalars is None and known.fits_together(prepared.plan)
        most = FIRST_ROWS if known.lost >= MOST_MISSES else MOST_ROWS
        self._repetitions = min(known.rows + 1 if known.rows else FIRST_ROWS, most, self.plan.max_rows + 1)
        for _ in range(known.silent):
            if not self.apart():
                self._fewer()

    @property
    def plan(self) -> PollPlan:
        """What is asked."""
        return self._prepared.plan

    def encode(self, request_id: int, community: str | None) -> bytes:
        """The next request: a v2c message under this community, or without one the PDU for SNMPv3."""
        if not self._answered:
            rows = self._repetitions if self.together or self.scalars is not None else 0
            before, after = self._prepared.around_id(rows, self.scalars is None, community)
            return before + request_id.to_bytes(4, "big") + after
        pdu = get_bulk(request_id, self._repetitions, [last for last in self._lasts if last is not None])
        return pdu if community is None else community_message(1, community.encode(), pdu)

    def apart(self) -> bool:
        """Ask for less at a time from now on; whether that changes the request that has no answer yet."""
        changed, self.together = self.together, False
        self._missed = self._missed or changed
        return changed

    def less(self) -> bool:
        """No answer came: ask for less, in case some tunnel drops fragments; whether that changes the request."""
        return self.apart() or (self.scalars is not None and self._fewer())

    def _fewer(self) -> bool:
        if self._repetitions <= FIRST_ROWS:
            return False
        self._repetitions, self._lost = FIRST_ROWS, True
        return True

    def give_up(self, *, asked_more: bool) -> None:
        """The poll ends without an answer. Where nothing is asked twice, the next one has to ask for less."""
        self.known.silent = self.known.silent + 1 if asked_more else 0

    def take(self, buf: bytes, head: Head) -> bool:
        """Digest one answer; True when the poll has everything.

        Raises a DriverError when it cannot go on, BerError for bindings that are none.
        """
        if head.kind != RESPONSE:
            raise Garbled(self.target.node_id, f"a PDU of kind 0x{head.kind:02x} as answer")
        if self.together:
            return self._take_together(buf, head)
        if self.scalars is None:
            self._take_scalars(buf, head)
            done = not self._lasts
        else:
            done = self._take_known_rows(buf, head) or self._take_rows(buf, head)
        if done:
            self._learn_sizes()
        return done

    def _learn_sizes(self) -> None:
        self.known.silent = 0
        if self._missed:
            self.known.misses += 1
        if self._lost:
            self.known.lost += 1
        elif self._repetitions > FIRST_ROWS:
            self.known.lost = 0

    def _take_together(self, buf: bytes, head: Head) -> bool:
        known, layout, count = self.known, self.known.layout, len(self._prepared.scalars)
        self.apart()
        if head.status:
            return False
        middle = behind(buf, head.first, head.last, count)
        if middle is not None and layout is not None and layout.plan is self.plan:
            names, columns, cells = self._prepared.scalars, len(self._lasts), len(layout.rows) * len(self._lasts)
            known.scalars, values = recognized(buf, (head.first, middle), known.scalars, names, count, 0)
            known.cells, found = recognized(buf, (middle, head.last), known.cells, layout.names, columns, cells)
            if values is not None and found is not None:
                known.misses = 0
                self.scalars, self.rows = tuple(values), self._by_index(layout, found[:cells])
                return True
        binds = parse_binds(buf, head.first, head.last)
        if [wrap(OID, raw) for raw, _, _ in binds[:count]] != [name for name, _ in self._prepared.scalars]:
            return False
        self.scalars = tuple([value for _, _, value in binds[:count]])
        return len(binds) > count and self._take_binds(binds[count:])

    def _take_scalars(self, buf: bytes, head: Head) -> None:
        if head.status:
            raise self._refusal(head)
        known, names = self.known, self._prepared.scalars
        known.scalars, found = recognized(buf, (head.first, head.last), known.scalars, names, len(names), 0)
        if found is None:
            found = self._matched(parse_binds(buf, head.first, head.last))
        self.scalars = tuple(found)
        known.complete = None not in found

    def _matched(self, binds: list[VarBind]) -> list[SnmpValue]:
        """The values of the scalars asked for, each under its own name."""
        wanted = self._prepared.scalars
        if len(binds) != len(wanted):
            raise Garbled(self.target.node_id, f"{len(binds)} values for {len(wanted)} objects")
        for (raw, _, _), (tlv, _), oid in zip(binds, wanted, self.plan.scalars, strict=True):
            if tlv != wrap(OID, raw):
                raise Garbled(self.target.node_id, f"answered {dotted(read_oid(raw))}, asked {dotted(oid)}")
        return [value for _, _, value in binds]

    def _take_known_rows(self, buf: bytes, head: Head) -> bool:
        """The whole table at once, if it still looks as it did at the last poll."""
        known = self.known
        layout = known.layout
        if layout is None or self._answered or head.status or layout.plan is not self.plan:
            return False
        columns = len(self._lasts)
        cells = len(layout.rows) * columns
        known.cells, found = recognized(buf, (head.first, head.last), known.cells, layout.names, columns, cells)
        if found is None:
            return False
        self.rows = self._by_index(layout, found[:cells])
        return True

    def _by_index(self, layout: Layout, cells: list[SnmpValue]) -> dict[Oid, tuple[SnmpValue, ...]]:
        return dict(zip(layout.rows, zip(*[iter(cells)] * len(self._lasts), strict=True), strict=True))

    def _take_rows(self, buf: bytes, head: Head) -> bool:
        if head.status == TOO_BIG and self._repetitions > 1:
            self._repetitions //= 2
            return False
        if head.status:
            raise self._refusal(head)
        binds = parse_binds(buf, head.first, head.last)
        if not binds:
            raise Garbled(self.target.node_id, "an empty answer to GETBULK")
        return self._take_binds(binds)

    def _take_binds(self, binds: list[VarBind]) -> bool:
        open_columns = [at for at, last in enumerate(self._lasts) if last is not None]
        for offset, column in enumerate(open_columns):
            self._take_column(column, binds[offset :: len(open_columns)])
        whole = not self._answered and self.known.lasting
        self._answered = True
        if any(last is not None for last in self._lasts):
            return False
        self.known.rows = len(self._rows)
        self.known.learn(layout_of(self._prepared, binds, list(self._rows)) if whole else None)
        self.rows = {index_of(raw): tuple(row) for raw, row in self._rows.items()}
        return True

    def _take_column(self, column: int, binds: list[VarBind]) -> None:
        """The next stretch of one column; ends it at the first object beyond, and at the row cap."""
        base, rows, last = self._prepared.bases[column], self._rows, self._lasts[column]
        size = len(base)
        for raw, tag, value in binds:
            if tag == END_OF_MIB_VIEW or not raw.startswith(base):
                last = None
                break
            if not _follows(raw, last or base):
                raise Garbled(self.target.node_id, f"OID not increasing: {dotted(read_oid(raw))}")
            last = raw
            row = rows.get(raw[size:])
            if row is None:
                if len(rows) >= self.plan.max_rows:
                    last = None
                    break
                row = rows[raw[size:]] = [None] * len(self._lasts)
            row[column] = value
        self._lasts[column] = last

    def _refusal(self, head: Head) -> Refused | Unsupported:
        """An error-status the agent gave instead of values (RFC 3416 section 3)."""
        if head.status == NO_SUCH_NAME:
            return Unsupported(self.target.node_id, "noSuchName: the agent speaks SNMPv1 only")
        return Refused(self.target.node_id, f"error-status {head.status} at {head.position}")


def recognized(
    buf: bytes, span: tuple[int, int], shape: Shape | None, names: Names, width: int, present: int
) -> tuple[Shape | None, list[SnmpValue] | None]:
    """The shape of these bindings, the remembered one if it still fits, and their values; None goes the long way."""
    at, end = span
    if shape is not None and shape.size == end - at:
        found = shape.read(buf, at)
        if found is not None:
            return shape, found
    shape = shape_of(buf, at, end, names, width, present)
    return shape, None if shape is None else shape.read(buf, at)


def _follows(raw: bytes, last: bytes) -> bool:
    """Whether an encoded OID is greater than the one before; almost always only the last byte differs."""
    if raw[-1] < 0x80 > last[-1] and raw[:-1] == last[:-1]:
        return raw[-1] > last[-1]
    return read_oid(raw) > read_oid(last)


def dotted(oid: Oid) -> str:
    """The usual notation."""
    return ".".join(map(str, oid))
