"""The short way of decoding a table never says anything else than the long one."""

from __future__ import annotations

import contextlib

from hypothesis import example, given
from hypothesis import strategies as st

from device_drivers.api import PollPlan, SnmpCredentials, SnmpTarget
from device_drivers.errors import DriverError
from device_drivers.snmp_ber import (
    COUNTER64,
    END_OF_MIB_VIEW,
    GAUGE32,
    INTEGER,
    NO_SUCH_INSTANCE,
    OCTETS,
    SEQUENCE,
    UNSIGNED,
    BerError,
    id_tlv,
    integer_tlv,
    wrap,
)
from device_drivers.snmp_codec import RESPONSE, bind, pdu_head, response, value_tlv
from device_drivers.snmp_job import Job
from device_drivers.snmp_layout import Prepared, Remembered

COLUMNS = ((1, 3, 6, 1, 2, 31, 1), (1, 3, 6, 1, 2, 31, 6))
PREPARED = Prepared(PollPlan((), COLUMNS))
TARGET = SnmpTarget("ge-bue-0001", "192.0.2.1", 161, SnmpCredentials("2c", community="c"))
TAIL = [
    bind((1, 3, 6, 1, 2, 31, 2, 1), value_tlv(INTEGER, 1)),
    bind((1, 3, 6, 1, 2, 32), value_tlv(END_OF_MIB_VIEW, None)),
]

indexes = st.lists(st.integers(0, 2**32 - 1), min_size=1, max_size=6, unique=True).map(sorted)
values = st.one_of(
    st.tuples(st.just(INTEGER), st.integers(-(2**63), 2**63 - 1)),
    st.tuples(st.just(GAUGE32), st.integers(0, 2**32 - 1)),
    st.tuples(st.just(COUNTER64), st.integers(0, 2**64 - 1)),
    st.tuples(st.just(OCTETS), st.binary(max_size=130)),
    st.tuples(st.sampled_from([NO_SUCH_INSTANCE, END_OF_MIB_VIEW]), st.none()),
)


def outcome(raw: bytes, known: Remembered) -> object:
    """What a job makes of this answer to its first GETBULK, with what is known of the answers before it."""
    job = Job(TARGET, PREPARED, 0, known)
    job.scalars = ()
    try:
        done = job.take(raw, pdu_head(raw, 0, len(raw)))
    except (DriverError, BerError) as error:
        return type(error)
    return done, job.rows, job.encode(1 << 25, None) if not done else b""


def long_way(raw: bytes) -> object:
    """The same without knowing anything."""
    return outcome(raw, Remembered())


def cells_of(rows: list[int]) -> list[bytes]:
    return [bind((*column, row), value_tlv(OCTETS, b"x")) for row in rows for column in COLUMNS]


def answer(rows: list[int], cells: list[tuple[int, object]]) -> bytes:
    names = [(*column, row) for row in rows for column in COLUMNS]
    encoded = [bind(name, value_tlv(*cell)) for name, cell in zip(names, cells, strict=False)]  # type: ignore[arg-type]
    return response(1 << 25, 0, 0, [*encoded, *TAIL])


def learned(rows: list[int], cells: list[tuple[int, object]] | None = None) -> Remembered:
    """What is known after one poll of these rows, and after a second one also how long these cells are."""
    known = Remembered()
    outcome(answer(rows, [(OCTETS, b"x")] * 12), known)
    assert known.layout is not None
    outcome(answer(rows, cells or [(OCTETS, b"x")] * 12), known)
    known.rows = 0
    return known


def of_bindings(bindings: bytes) -> bytes:
    return wrap(RESPONSE, id_tlv(1 << 25) + integer_tlv(0) * 2 + wrap(SEQUENCE, bindings))


@given(indexes, indexes, st.lists(values, min_size=12, max_size=12), st.lists(values, min_size=12, max_size=12))
@example([1, 2], [1, 2], [(INTEGER, -1)] * 12, [(INTEGER, -2)] * 12)
@example([1, 2], [1, 2], [(OCTETS, b"x")] * 3 + [(END_OF_MIB_VIEW, None)] * 9, [(OCTETS, b"x")] * 12)
def test_both_ways_agree(
    before: list[int], after: list[int], cells: list[tuple[int, object]], others: list[tuple[int, object]]
) -> None:
    known = learned(before, cells)
    for rows, values in ((before, cells), (before, others), (before, others), (before, cells), (after, others)):
        raw = answer(rows, values)
        known.rows = 0
        assert outcome(raw, known) == long_way(raw)


@given(st.integers(1, 9), st.sampled_from([*UNSIGNED, INTEGER]), st.binary(min_size=9, max_size=9))
@example(8, COUNTER64, b"\xff" * 9)
@example(6, COUNTER64, b"\xff" * 9)
@example(5, GAUGE32, b"\x00" + b"\xff" * 8)
@example(5, GAUGE32, b"\x01" + b"\xff" * 8)
def test_numbers_of_a_known_length_are_judged_as_ever(size: int, tag: int, body: bytes) -> None:
    """Also those that are negative, too large, or lack their leading zero, as careless agents send them."""
    cells = lambda value: of_bindings(  # noqa: E731
        b"".join([cells_of([1])[0], bind((*COLUMNS[1], 1), wrap(tag, value)), *TAIL])
    )
    known = learned([1])
    outcome(cells(bytes(size)), known)
    for value in (bytes(size - 1) + b"\x01", body[:size]):
        assert outcome(cells(value), known) == long_way(cells(value))


@given(indexes, st.lists(values, min_size=12, max_size=12), st.data())
def test_both_ways_agree_on_damaged_answers(
    rows: list[int], cells: list[tuple[int, object]], data: st.DataObject
) -> None:
    known = learned(rows, cells)
    raw = bytearray(answer(rows, cells))
    for _ in range(data.draw(st.integers(1, 3))):
        raw[data.draw(st.integers(0, len(raw) - 1))] = data.draw(st.integers(0, 255))
    damaged = bytes(raw)
    with contextlib.suppress(BerError):
        pdu_head(damaged, 0, len(damaged))
        assert outcome(damaged, known) == long_way(damaged)


def test_what_follows_the_known_objects_is_not_overlooked() -> None:
    whole = b"".join([*cells_of([1, 2]), *TAIL])
    for more in (b"\x30", b"\x05\x00", bytes(40)):
        assert outcome(of_bindings(whole + more), learned([1, 2])) is BerError


def test_a_long_length_is_not_mistaken_for_a_short_one() -> None:
    """0x81 says "one byte of length follows", and is also the number 129: the size the binding would have."""
    known = learned([1])
    assert known.layout is not None
    name, skip = known.layout.names[0]
    value = bytes((OCTETS, 0x81 - skip)) + bytes(0x81 - skip)
    crafted = of_bindings(bytes((SEQUENCE, 0x81)) + name + value + b"".join([cells_of([1])[1], *TAIL]))
    assert long_way(crafted) is BerError
    assert outcome(crafted, known) is BerError
