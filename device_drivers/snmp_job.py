"""One poll of one agent as a state machine: which request comes next and what an answer means. No I/O, no clock."""

from __future__ import annotations

from functools import lru_cache

from device_drivers.api import EngineFacts, Oid, PollPlan, SnmpTarget, SnmpValue
from device_drivers.errors import Garbled, Refused, Unsupported
from device_drivers.snmp_ber import END_OF_MIB_VIEW, oid_body, read_oid
from device_drivers.snmp_codec import NO_SUCH_NAME, RESPONSE, TOO_BIG, Pdu, VarBind, get, get_bulk

FIRST_ROWS = 9
MOST_ROWS = 24
PATCH_ID = 0x7F5A5A5A
_PATCH = PATCH_ID.to_bytes(4, "big")


class Job:
    """The progress of one poll. `next_pdu` gives what to ask, `take` digests the answer and says whether it is done."""

    __slots__ = (
        "_bases",
        "_lasts",
        "_repetitions",
        "due_ms",
        "engine",
        "exchanges",
        "plan",
        "request",
        "request_id",
        "resyncs",
        "rows",
        "rtt_ms",
        "scalars",
        "sent_at",
        "target",
        "tries",
    )

    def __init__(
        self, target: SnmpTarget, plan: PollPlan, due_ms: int, engine: EngineFacts | None, rows_hint: int
    ) -> None:
        self.target = target
        self.plan = plan
        self.due_ms = due_ms
        self.engine = engine
        self.request_id = 0
        self.request = b""
        self.sent_at = 0.0
        self.rtt_ms = -1.0
        self.tries = 0
        self.resyncs = 0
        self.exchanges = 0
        self.scalars: tuple[SnmpValue, ...] | None = None
        self.rows: dict[bytes, list[SnmpValue]] = {}
        self._bases = [oid_body(column) for column in plan.columns]
        self._lasts: list[bytes | None] = list(self._bases)
        self._repetitions = min(rows_hint + 1 if rows_hint else FIRST_ROWS, MOST_ROWS, plan.max_rows + 1)

    def next_pdu(self, request_id: int, cache: dict[object, bytes]) -> bytes:
        """The encoded PDU to send now. First requests come from a template whose id is patched in."""
        if self.scalars is None:
            key: object = self.plan.scalars
            template = cache.get(key)
            if template is None:
                template = cache[key] = get(PATCH_ID, self.plan.scalars)
            return template.replace(_PATCH, request_id.to_bytes(4, "big"), 1)
        if self._lasts == self._bases:
            key = (self.plan.columns, self._repetitions)
            template = cache.get(key)
            if template is None:
                template = cache[key] = get_bulk(PATCH_ID, self._repetitions, self.plan.columns)
            return template.replace(_PATCH, request_id.to_bytes(4, "big"), 1)
        return get_bulk(request_id, self._repetitions, [last for last in self._lasts if last is not None])

    def take(self, pdu: Pdu) -> bool:
        """Digest one answer; True when the poll has everything. Raises a DriverError when it cannot go on."""
        if pdu.kind != RESPONSE:
            raise Garbled(self.target.node_id, f"a PDU of kind 0x{pdu.kind:02x} as answer")
        if self.scalars is None:
            self._take_scalars(pdu)
        else:
            self._take_rows(pdu)
        return all(last is None for last in self._lasts)

    def _take_scalars(self, pdu: Pdu) -> None:
        if pdu.status:
            raise self._refusal(pdu)
        wanted = self.plan.scalars
        if len(pdu.binds) != len(wanted):
            raise Garbled(self.target.node_id, f"{len(pdu.binds)} values for {len(wanted)} objects")
        for (raw, _, _), oid in zip(pdu.binds, wanted, strict=True):
            if raw != oid_body(oid):
                raise Garbled(self.target.node_id, f"answered {dotted(read_oid(raw))}, asked {dotted(oid)}")
        self.scalars = tuple([value for _, _, value in pdu.binds])

    def _take_rows(self, pdu: Pdu) -> None:
        if pdu.status == TOO_BIG and self._repetitions > 1:
            self._repetitions //= 2
            return
        if pdu.status:
            raise self._refusal(pdu)
        if not pdu.binds:
            raise Garbled(self.target.node_id, "an empty answer to GETBULK")
        open_columns = [at for at, last in enumerate(self._lasts) if last is not None]
        for offset, column in enumerate(open_columns):
            self._take_column(column, pdu.binds[offset :: len(open_columns)])

    def _take_column(self, column: int, binds: tuple[VarBind, ...]) -> None:
        """The next stretch of one column; ends it at the first object beyond, and at the row cap."""
        base, rows, last = self._bases[column], self.rows, self._lasts[column]
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
                row = rows[raw[size:]] = [None] * len(self._bases)
            row[column] = value
        self._lasts[column] = last

    def _refusal(self, pdu: Pdu) -> Refused | Unsupported:
        """An error-status the agent gave instead of values (RFC 3416 section 3)."""
        if pdu.status == NO_SUCH_NAME:
            return Unsupported(self.target.node_id, "noSuchName: the agent speaks SNMPv1 only")
        return Refused(self.target.node_id, f"error-status {pdu.status} at {pdu.index}")


def indexed(job: Job) -> dict[Oid, tuple[SnmpValue, ...]]:
    """The rows of a finished job by their index."""
    return {_index(raw): tuple(row) for raw, row in job.rows.items()}


@lru_cache(maxsize=4096)
def _index(raw: bytes) -> Oid:
    """Sub-identifiers behind a column: an OID without the two that share the first byte."""
    return read_oid(b"\x00" + raw)[2:]


def _follows(raw: bytes, last: bytes) -> bool:
    """Whether an encoded OID is greater than the one before; almost always only the last byte differs."""
    if raw[-1] < 0x80 > last[-1] and raw[:-1] == last[:-1]:
        return raw[-1] > last[-1]
    return read_oid(raw) > read_oid(last)


def dotted(oid: Oid) -> str:
    """The usual notation."""
    return ".".join(map(str, oid))
