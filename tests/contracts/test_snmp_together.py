"""Scalars and table of a known node in one exchange, and how a poll goes on where that does not work."""

from __future__ import annotations

import pytest

from device_drivers.api import SnmpCredentials
from device_drivers.errors import Unreachable
from device_drivers.snmp_codec import GETBULK, parse_message
from device_drivers.snmp_layout import MOST_MISSES
from tests.contracts.snmp_agent import PLAN, USER, V2, Bench, bench

SCALARS = (500_000, b"scripted")
ROWS = {(row,): (b"p%d" % row, row * 1000) for row in (1, 2, 3)}


def exchanges(it: Bench, count: int, credentials: SnmpCredentials = V2) -> list[int]:
    """How many each of so many polls needed; every one of them has everything."""
    polls = [it.poll(credentials) for _ in range(count)]
    assert [(poll.error, poll.scalars, poll.rows) for poll in polls] == [(None, SCALARS, ROWS)] * count
    return [poll.exchanges for poll in polls]


def is_together(raw: bytes) -> bool:
    pdu = parse_message(raw).pdu
    return pdu.kind == GETBULK and pdu.status > 0


def known(it: Bench) -> None:
    """The node has been polled until its answers are known."""
    assert exchanges(it, 4)[-1] == 1


@pytest.mark.parametrize("credentials", [V2, USER], ids=["v2c", "v3"])
def test_a_known_node_needs_one_exchange(credentials: SnmpCredentials) -> None:
    with bench() as it:
        exchanges(it, 3, credentials)
        assert exchanges(it, 10, credentials) == [1] * 10
        assert "getbulk 2 objects and 2 columns" in it.calls[-1]


def test_a_table_that_grows_and_shrinks_is_read_right_each_time() -> None:
    with bench() as it:
        for rows in (3, 3, 3, 4, 4, 4, 1, 1, 1, 0, 0, 0, 5, 5, 5, 3, 3, 3):
            it.agent.rows = rows
            got = it.poll()
            assert (got.scalars, list(got.rows)) == (SCALARS, [(row,) for row in range(1, rows + 1)])


def test_an_object_that_goes_away_is_missing_and_comes_back() -> None:
    with bench() as it:
        known(it)
        it.agent.has_name = False
        gone = [it.poll() for _ in range(6)]
        assert {(poll.error, poll.scalars) for poll in gone} == {(None, (500_000, None))}
        assert [poll.rows for poll in gone] == [ROWS] * 6
        assert [poll.exchanges for poll in gone] == [3] + [2] * 5, "in vain once, not every time"
        it.agent.has_name = True
        assert exchanges(it, 4)[-1] == 1


def test_an_agent_with_small_packets_is_asked_as_ever() -> None:
    with bench() as it:
        known(it)
        it.agent.most_binds = 8
        assert exchanges(it, MOST_MISSES + 3)[-1] == 2


def test_answers_too_large_for_one_packet_are_not_asked_together() -> None:
    with bench() as it:
        it.agent.rows, it.agent.port_name = 12, b"a port with a very long name " * 3 + b"%d"
        polls = [it.poll() for _ in range(6)]
        assert [len(poll.rows) for poll in polls] == [12] * 6
        assert not any(map(is_together, it.agent.requests))


def test_where_large_packets_are_lost_a_node_is_still_polled() -> None:
    with bench() as it:
        known(it)
        it.agent.reply = lambda raw, proper: [] if is_together(raw) else [proper]
        assert exchanges(it, MOST_MISSES) == [3] * MOST_MISSES
        assert exchanges(it, 3) == [2] * 3


def lose_fragments(it: Bench) -> None:
    """Thirteen rows, behind a path that lets no answer through that is larger than those of a first poll."""
    it.agent.rows = 13
    sizes: list[int] = []
    it.agent.reply = lambda _, proper: sizes.append(len(proper)) or [proper]  # type: ignore[func-returns-value]
    assert len(it.poll().rows) == 13
    largest = max(sizes)
    it.agent.reply = lambda _, proper: [proper] if len(proper) <= largest else []


def test_where_fragments_are_lost_a_node_with_many_rows_is_still_polled() -> None:
    with bench() as it:
        lose_fragments(it)
        polls = [it.poll() for _ in range(MOST_MISSES + 3)]
        assert [(poll.error, len(poll.rows)) for poll in polls] == [(None, 13)] * len(polls)
        assert [poll.exchanges for poll in polls] == [4] * MOST_MISSES + [3] * 3, "in vain a few times, not for ever"


def test_after_one_large_answer_was_lost_everything_is_asked_for_at_once_again() -> None:
    with bench() as it:
        it.agent.rows = 13
        it.poll()
        lost = len(it.agent.requests) + 2
        it.agent.reply = lambda _, proper: [] if len(it.agent.requests) == lost else [proper]
        polls = [it.poll() for _ in range(6)]
        assert [(poll.error, len(poll.rows)) for poll in polls] == [(None, 13)] * 6
        assert (polls[0].exchanges, polls[-1].exchanges) == (4, 1)


def test_one_lost_packet_changes_nothing_for_the_next_poll() -> None:
    with bench() as it:
        known(it)
        lost = len(it.agent.requests)
        it.agent.reply = lambda _, proper: [] if len(it.agent.requests) == lost + 1 else [proper]
        assert exchanges(it, 3) == [3, 1, 1]


def test_an_answer_that_comes_after_the_question_was_parted_is_nobodys() -> None:
    with bench() as it:
        known(it)
        late: list[bytes] = []

        def first_is_late(raw: bytes, proper: bytes) -> list[bytes]:
            if is_together(raw):
                late.append(proper)
                return []
            return [*late, proper]

        it.agent.reply = first_is_late
        assert exchanges(it, 1) == [3]
        assert late


def test_a_node_that_died_is_given_up_as_soon_as_an_unknown_one() -> None:
    with bench() as it:
        known(it)
        asked = len(it.agent.requests)
        it.agent.reply = lambda *_: []
        got = it.poll()
        assert isinstance(got.error, Unreachable)
        assert "asked 3 times" in got.error.evidence
        assert len(it.agent.requests) - asked == 3


def test_an_answer_cut_short_is_completed() -> None:
    """RFC 3416 section 4.2.3: an agent may leave out what does not fit, from the end on."""
    with bench() as it:
        whole = it.agent.answer_to
        for kept in range(2 + len(PLAN.columns) * 4):
            known(it)
            it.agent.answer_to = lambda pdu, kept=kept: (0, whole(pdu)[1][:kept]) if pdu.status else whole(pdu)
            got = it.poll()
            it.agent.answer_to = whole
            assert (got.error, got.scalars, got.rows) == (None, SCALARS, ROWS), kept


def test_a_node_that_is_asked_only_once_is_asked_for_less_at_the_next_poll() -> None:
    with bench() as it:
        known(it)
        it.agent.reply = lambda raw, proper: [] if is_together(raw) else [proper]
        polls = [it.poll(retries=0) for _ in range(2 * MOST_MISSES + 3)]
        assert [poll.error is None for poll in polls] == [False, True] * MOST_MISSES + [True] * 3
        it.agent.reply = lambda *_: []
        assert isinstance(it.poll(retries=0).error, Unreachable)


def test_a_node_with_many_rows_that_is_asked_only_once_is_asked_for_fewer() -> None:
    with bench() as it:
        lose_fragments(it)
        rows = [len(it.poll(retries=0).rows) for _ in range(2 * MOST_MISSES + 3)]
        assert rows == [0, 13] * MOST_MISSES + [13] * 3


def test_a_node_that_was_away_is_asked_for_everything_at_once_again() -> None:
    with bench() as it:
        known(it)
        proper = it.agent.reply
        it.agent.reply = lambda *_: []
        assert all(it.poll(retries=0).error for _ in range(2 * MOST_MISSES + 1))
        it.agent.reply = proper
        assert [it.poll(retries=0).exchanges for _ in range(3)][1:] == [1, 1]
