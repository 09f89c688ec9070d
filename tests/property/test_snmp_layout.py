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
    BerError,
    id_tlv,
    integer_tlv,
    wrap,
)
from device_drivers.snmp_codec import RESPONSE, bind, pdu_head, response, value_tlv
from device_drivers.snmp_job import Job
from device_drivers.snmp_layout import Layout, Prepared

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


def outcome(raw: bytes, layout: Layout | None) -> tuple[object, Layout | None]:
    """What a job makes of this answer to its first GETBULK, with or without a remembered layout."""
    job = Job(TARGET, PREPARED, 0, 0, layout)
    job.scalars = ()
    try:
        done = job.take(raw, pdu_head(raw, 0, len(raw)))
    except (DriverError, BerError) as error:
        return type(error), None
    return (done, job.rows, job.encode(1 << 25, None) if not done else b""), job.layout


def cells_of(rows: list[int]) -> list[bytes]:
    return [bind((*column, row), value_tlv(OCTETS, b"x")) for row in rows for column in COLUMNS]


def answer(rows: list[int], cells: list[tuple[int, object]]) -> bytes:
    names = [(*column, row) for row in rows for column in COLUMNS]
    encoded = [bind(name, value_tlv(*cell)) for name, cell in zip(names, cells, strict=False)]  # type: ignore[arg-type]
    return response(1 << 25, 0, 0, [*encoded, *TAIL])


def learned(rows: list[int]) -> Layout:
    _, layout = outcome(answer(rows, [(OCTETS, b"x")] * 12), None)
    assert layout is not None
    return layout


def of_bindings(bindings: bytes) -> bytes:
    return wrap(RESPONSE, id_tlv(1 << 25) + integer_tlv(0) * 2 + wrap(SEQUENCE, bindings))


@given(indexes, indexes, st.lists(values, min_size=12, max_size=12))
@example([1, 2], [1, 2], [(INTEGER, -1)] * 12)
@example([1, 2], [1, 2], [(OCTETS, b"x")] * 3 + [(END_OF_MIB_VIEW, None)] * 9)
def test_both_ways_agree(before: list[int], after: list[int], cells: list[tuple[int, object]]) -> None:
    layout = learned(before)
    for rows in (before, after):
        raw = answer(rows, cells)
        assert outcome(raw, layout)[0] == outcome(raw, None)[0]


@given(indexes, st.lists(values, min_size=12, max_size=12), st.data())
def test_both_ways_agree_on_damaged_answers(
    rows: list[int], cells: list[tuple[int, object]], data: st.DataObject
) -> None:
    layout = learned(rows)
    raw = bytearray(answer(rows, cells))
    for _ in range(data.draw(st.integers(1, 3))):
        raw[data.draw(st.integers(0, len(raw) - 1))] = data.draw(st.integers(0, 255))
    damaged = bytes(raw)
    with contextlib.suppress(BerError):
        pdu_head(damaged, 0, len(damaged))
        assert outcome(damaged, layout)[0] == outcome(damaged, None)[0]


def test_what_follows_the_known_objects_is_not_overlooked() -> None:
    known = b"".join([*cells_of([1, 2]), *TAIL])
    for more in (b"\x30", b"\x05\x00", bytes(40)):
        assert outcome(of_bindings(known + more), learned([1, 2]))[0] is BerError


def test_a_long_length_is_not_mistaken_for_a_short_one() -> None:
    """0x81 says "one byte of length follows", and is also the number 129: the size the binding would have."""
    layout = learned([1])
    name, skip = layout.names[0]
    value = bytes((OCTETS, 0x81 - skip)) + bytes(0x81 - skip)
    crafted = of_bindings(bytes((SEQUENCE, 0x81)) + name + value + b"".join([cells_of([1])[1], *TAIL]))
    assert outcome(crafted, None)[0] is BerError
    assert outcome(crafted, layout)[0] is BerError
