"""One poll's course: what is asked next, when it is done, and what an agent must not get away with."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from device_drivers.api import Oid, PollPlan, SnmpCredentials, SnmpTarget, SnmpValue
from device_drivers.errors import Garbled, Refused, Unsupported
from device_drivers.snmp_ber import COUNTER64, END_OF_MIB_VIEW, INTEGER, NO_SUCH_OBJECT, OCTETS, oid_body
from device_drivers.snmp_codec import (
    GET,
    GETBULK,
    NO_SUCH_NAME,
    TOO_BIG,
    bind,
    parse_pdu,
    pdu_head,
    response,
    value_tlv,
)
from device_drivers.snmp_job import FIRST_ROWS, Job
from device_drivers.snmp_layout import Layout, Prepared, Remembered

UPTIME, NAME = (1, 3, 6, 1, 2, 1, 1, 3, 0), (1, 3, 6, 1, 2, 1, 1, 5, 0)
IF_NAME, IF_IN = (1, 3, 6, 1, 2, 1, 31, 1, 1, 1, 1), (1, 3, 6, 1, 2, 1, 31, 1, 1, 1, 6)
BEYOND: Oid = (1, 3, 6, 1, 2, 1, 31, 1, 1, 1, 19, 1)
PLAN = PollPlan((UPTIME, NAME), (IF_NAME, IF_IN), max_rows=5)
PREPARED = Prepared(PLAN)
ID = 1 << 25
TARGET = SnmpTarget("ge-bue-0001", "192.0.2.1", 161, SnmpCredentials("2c", community="c"))


def job(rows_hint: int = 0, layout: Layout | None = None, prepared: Prepared = PREPARED) -> Job:
    return Job(TARGET, prepared, 0, Remembered(rows_hint, layout))


def feed(one: Job, binds: Sequence[tuple[Oid, int, SnmpValue]], status: int = 0) -> bool:
    """Let the job take an answer of these objects."""
    raw = response(ID, status, 0, [bind(oid, value_tlv(tag, value)) for oid, tag, value in binds])
    return one.take(raw, pdu_head(raw, 0, len(raw)))


def scalars(one: Job) -> Job:
    feed(one, [(UPTIME, INTEGER, 7), (NAME, OCTETS, b"n")])
    return one


def cell(column: Oid, index: int, value: SnmpValue = 1) -> tuple[Oid, int, SnmpValue]:
    return ((*column, index), OCTETS if isinstance(value, bytes) else COUNTER64, value)


def table(*indexes: int) -> list[tuple[Oid, int, SnmpValue]]:
    """Rows side by side, then one row beyond the table."""
    cells = [c for i in indexes for c in (cell(IF_NAME, i, b"p%d" % i), cell(IF_IN, i, i * 100))]
    return [*cells, ((*IF_NAME[:-1], 2, 1), INTEGER, 0), (BEYOND, INTEGER, 0)]


def asked(one: Job) -> tuple[int, int, list[bytes]]:
    """Kind, max-repetitions and names of the next request."""
    raw = one.encode(ID, None)
    pdu = parse_pdu(raw, 0, len(raw))
    assert pdu.request_id == ID
    return pdu.kind, pdu.index, [name for name, _, _ in pdu.binds]


def test_scalars_then_the_table_in_one_request_each() -> None:
    one = job()
    assert asked(one) == (GET, 0, [oid_body(UPTIME), oid_body(NAME)])
    assert not feed(one, [(UPTIME, INTEGER, 7), (NAME, OCTETS, b"n")])
    assert asked(one) == (GETBULK, PLAN.max_rows + 1, [oid_body(IF_NAME), oid_body(IF_IN)])
    assert feed(one, table(1, 2, 7))
    assert one.scalars == (7, b"n")
    assert one.rows == {(1,): (b"p1", 100), (2,): (b"p2", 200), (7,): (b"p7", 700)}


def test_the_next_poll_asks_for_what_is_there_and_one_row_more() -> None:
    assert asked(scalars(job(rows_hint=3)))[1] == 4
    assert asked(scalars(job(prepared=Prepared(PollPlan((UPTIME, NAME), PLAN.columns)))))[1] == FIRST_ROWS


def test_a_missing_object_is_none() -> None:
    one = job()
    feed(one, [(UPTIME, NO_SUCH_OBJECT, None), (NAME, OCTETS, b"n")])
    assert one.scalars == (None, b"n")


@pytest.mark.parametrize(
    "binds",
    [[(UPTIME, INTEGER, 7)], [(NAME, OCTETS, b"n"), (UPTIME, INTEGER, 7)], [(UPTIME, INTEGER, 7)] * 2],
    ids=["too few", "swapped", "another"],
)
def test_other_scalars_than_asked_for_are_garbled(binds: list[tuple[Oid, int, SnmpValue]]) -> None:
    with pytest.raises(Garbled):
        feed(job(), binds)


def test_a_long_table_is_continued_where_each_column_stopped() -> None:
    one = scalars(job())
    assert not feed(one, [cell(IF_NAME, 1, b"p1"), cell(IF_IN, 1), cell(IF_NAME, 2, b"p2")])
    assert asked(one)[2] == [oid_body((*IF_NAME, 2)), oid_body((*IF_IN, 1))]
    assert not feed(one, [(BEYOND, INTEGER, 0), cell(IF_IN, 2, 9)])
    assert asked(one)[2] == [oid_body((*IF_IN, 2))], "a column that ended is not asked for again"
    assert feed(one, [(BEYOND, END_OF_MIB_VIEW, None)])
    assert one.rows == {(1,): (b"p1", 1), (2,): (b"p2", 9)}
    assert one.known.layout is None, "only an answer that holds the whole table is a layout"


def test_a_table_without_end_stops_at_the_row_cap() -> None:
    one = scalars(job())
    index = 0
    for _ in range(20):
        binds = [c for i in range(index, index + 2) for c in (cell(IF_NAME, i, b"x"), cell(IF_IN, i))]
        index += 2
        if feed(one, binds):
            break
    assert len(one.rows) == PLAN.max_rows
    assert index <= 8


@pytest.mark.parametrize("second", [cell(IF_NAME, 4, b"x"), cell(IF_NAME, 3, b"x")], ids=["same", "smaller"])
def test_objects_must_increase(second: tuple[Oid, int, SnmpValue]) -> None:
    with pytest.raises(Garbled, match="not increasing"):
        feed(scalars(job()), [cell(IF_NAME, 4, b"x"), cell(IF_IN, 4), second, cell(IF_IN, 5)])


def test_increasing_is_meant_by_number_and_not_by_byte() -> None:
    one = scalars(job())
    assert feed(one, table(2, 127, 128, 16_384))
    assert [*one.rows] == [(2,), (127,), (128,), (16_384,)]


def test_too_big_halves_the_request_until_a_single_row_is_refused() -> None:
    one = scalars(job(rows_hint=4))
    assert asked(one)[1] == 5
    for smaller in (2, 1):
        assert not feed(one, [], TOO_BIG)
        assert asked(one)[1] == smaller
    with pytest.raises(Refused, match="error-status 1"):
        feed(one, [], TOO_BIG)


def test_an_error_status_is_refused_and_a_v1_agent_unsupported() -> None:
    with pytest.raises(Refused, match="error-status 5"):
        feed(job(), [], 5)
    with pytest.raises(Unsupported, match="SNMPv1"):
        feed(job(), [], NO_SUCH_NAME)


def test_an_empty_answer_cannot_keep_a_poll_alive() -> None:
    with pytest.raises(Garbled, match="empty"):
        feed(scalars(job()), [])


def test_a_plan_of_scalars_alone_is_done_after_them() -> None:
    one = job(prepared=Prepared(PollPlan((UPTIME,), ())))
    assert feed(one, [(UPTIME, INTEGER, 7)])
    assert one.rows == {}


def known_table(*indexes: int) -> Layout:
    one = scalars(job())
    assert feed(one, table(*indexes))
    assert one.known.layout is not None
    return one.known.layout


def test_a_known_table_does_not_excuse_a_second_answer_that_starts_again() -> None:
    one = scalars(job(layout=known_table(1, 2, 3)))
    assert not feed(one, table(1, 2)[:4])
    with pytest.raises(Garbled, match="not increasing"):
        feed(one, table(1, 2, 3))


def test_a_table_known_from_another_question_is_no_answer_to_this_one() -> None:
    other = Prepared(PollPlan((UPTIME, NAME), ((*IF_NAME[:-1], 2), (*IF_NAME[:-1], 3))))
    one = scalars(job(layout=known_table(1, 2), prepared=other))
    assert feed(one, table(1, 2))
    assert one.rows == {}
