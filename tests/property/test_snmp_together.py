"""What is remembered of a node never changes what a poll says of it, whatever became of the node in between."""

from __future__ import annotations

import contextlib
from bisect import bisect_right
from collections.abc import Mapping
from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from device_drivers.api import Oid, PollPlan, SnmpCredentials, SnmpTarget
from device_drivers.errors import DriverError
from device_drivers.snmp_ber import (
    COUNTER64,
    END_OF_MIB_VIEW,
    INTEGER,
    NO_SUCH_INSTANCE,
    OCTETS,
    TIME_TICKS,
    BerError,
    read_oid,
)
from device_drivers.snmp_codec import (
    GET,
    TOO_BIG,
    Pdu,
    bind,
    get_bulk,
    parse_pdu,
    pdu_head,
    response,
    value_tlv,
)
from device_drivers.snmp_job import Job
from device_drivers.snmp_layout import Prepared, Remembered, before

SYSTEM, TABLE = (1, 3, 6, 1, 2, 1, 1), (1, 3, 6, 1, 2, 1, 31)
SCALARS: tuple[Oid, ...] = ((*SYSTEM, 3, 0), (*SYSTEM, 5, 0), (*SYSTEM, 9, 7))
"""The last one is a cell of a table, as laLoadInt.1 is."""
COLUMNS: tuple[Oid, ...] = ((*TABLE, 1), (*TABLE, 6))
PREPARED = Prepared(PollPlan(SCALARS, COLUMNS, max_rows=8))
TARGET = SnmpTarget("ge-bue-0001", "192.0.2.1", 161, SnmpCredentials("2c", community="c"))
Values = Mapping[Oid, bytes]

numbers = st.one_of(
    st.integers(-(2**31), 2**31 - 1).map(lambda number: value_tlv(INTEGER, number)),
    st.integers(0, 2**32 - 1).map(lambda number: value_tlv(TIME_TICKS, number)),
    st.integers(0, 2**64 - 1).map(lambda number: value_tlv(COUNTER64, number)),
    st.binary(max_size=40).map(lambda text: value_tlv(OCTETS, text)),
)


@st.composite
def nodes(draw: st.DrawFn, whole: bool = False) -> Values:
    """Everything an agent has, and objects nobody asks for; scalars and cells may be missing unless it is `whole`."""
    scalars = set(SCALARS) if whole else draw(st.sets(st.sampled_from(SCALARS), min_size=1))
    rows = st.just(COLUMNS) if whole else st.sampled_from([COLUMNS, COLUMNS, COLUMNS, COLUMNS[:1]])
    names = {*scalars, (*SYSTEM, 4, 0), (*SYSTEM, 9, 8), (*TABLE, 7, 1)}
    for index in draw(st.sets(st.sampled_from([1, 2, 3, 127, 128, 70_000]), max_size=5)):
        names |= {(*column, index) for column in draw(rows)}
    return {name: draw(numbers) for name in names}


def answer(node: Values, asked: Pdu, most_binds: int, cuts: bool) -> bytes:
    """What an agent says that cuts or refuses what is too much (RFC 3416 section 4.2)."""
    names = [read_oid(raw) for raw, _, _ in asked.binds]
    if asked.kind == GET:
        none = value_tlv(NO_SUCH_INSTANCE, None)
        return response(asked.request_id, 0, 0, [bind(name, node.get(name, none)) for name in names])
    order = sorted(node)
    found = [bind(*_after(node, order, name, 0)) for name in names[: asked.status]]
    for row in range(asked.index):
        found += [bind(*_after(node, order, name, row)) for name in names[asked.status :]]
    if len(found) > most_binds and not cuts:
        return response(asked.request_id, TOO_BIG, 0, [])
    return response(asked.request_id, 0, 0, found[:most_binds])


def _after(node: Values, order: list[Oid], name: Oid, skip: int) -> tuple[Oid, bytes]:
    place = bisect_right(order, name) + skip
    if place < len(order):
        return order[place], node[order[place]]
    return max([*order, name]), value_tlv(END_OF_MIB_VIEW, None)


def poll(known: Remembered, node: Values, most_binds: int = 1000, cuts: bool = True) -> object:
    """One whole poll: what it says, or how it failed."""
    job = Job(TARGET, PREPARED, 0, known)
    try:
        for _ in range(60):
            asked = job.encode(1 << 25, None)
            raw = answer(node, parse_pdu(asked, 0, len(asked)), most_binds, cuts)
            if job.take(raw, pdu_head(raw, 0, len(raw))):
                return job.scalars, job.rows
    except (DriverError, BerError) as error:
        return type(error)
    raise AssertionError("a poll without end")


@given(st.lists(st.tuples(nodes(), st.integers(1, 5), st.sampled_from([1000, 14, 9]), st.booleans()), max_size=5))
def test_a_poll_that_remembers_says_what_a_first_poll_says(course: list[tuple[Values, int, int, bool]]) -> None:
    known = Remembered()
    for node, times, most_binds, cuts in course:
        for _ in range(times):
            assert poll(known, node, most_binds, cuts) == poll(Remembered(), node, most_binds, cuts)


@given(nodes(whole=True), st.data())
def test_a_damaged_answer_is_read_as_if_nothing_were_known(node: Values, data: st.DataObject) -> None:
    known = Remembered()
    for _ in range(5):
        poll(known, node)
    assert known.fits_together(PREPARED.plan)
    starts = (*map(before, SCALARS), *COLUMNS)
    asked = get_bulk(1 << 25, known.rows + 1, starts, len(SCALARS))
    raw = bytearray(answer(node, parse_pdu(asked, 0, len(asked)), 1000, cuts=True))
    for _ in range(data.draw(st.integers(1, 3))):
        raw[data.draw(st.integers(0, len(raw) - 1))] = data.draw(st.integers(0, 255))
    assert known.layout is not None
    stranger = replace(known.layout, names=())
    with contextlib.suppress(BerError):
        assert _taken(replace(known), bytes(raw)) == _taken(replace(known, layout=stranger), bytes(raw))


def _taken(known: Remembered, raw: bytes) -> object:
    job = Job(TARGET, PREPARED, 0, known)
    assert job.together
    head = pdu_head(raw, 0, len(raw))
    try:
        done = job.take(raw, head)
    except (DriverError, BerError) as error:
        return type(error)
    return done, job.scalars, job.rows, b"" if done else job.encode(1 << 25, None)
