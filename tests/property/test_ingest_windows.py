"""Deduplication by session and counter: each uplink once, gaps exact, in any order the window allows."""

from __future__ import annotations

from collections.abc import Iterable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from local_store.hearing import NOBODY
from playbooks.ingest_windows import EMPTY, LONGEST_JUMP, WIDTH, Memory, Verdict, from_bytes, joined, judge, to_bytes

HOUR = 3_600_000


def play(
    uplinks: Iterable[tuple[str, int, int | None]], memory: Memory = EMPTY
) -> tuple[list[tuple[str, int]], int, Memory]:
    """What is stored of these uplinks, the number missing, and what is remembered."""
    stored, gaps = [], 0
    for session, counter, at_ms in uplinks:
        verdict = judge(from_bytes(to_bytes(memory, NOBODY))[0], session, counter, at_ms)
        memory = verdict.memory
        gaps += verdict.gaps
        if verdict.new:
            stored.append((session, counter))
    return stored, gaps, memory


@st.composite
def arrivals(draw: st.DrawFn) -> list[int]:
    """Counters with holes, each at least once, late by less than the window, repeated at will."""
    steps = draw(st.lists(st.integers(1, 9), min_size=1, max_size=60))
    counters = [sum(steps[: n + 1]) for n in range(len(steps))]
    late = [(counter + draw(st.integers(0, WIDTH - 1)), n, counter) for n, counter in enumerate(counters)]
    repeats = [
        (counter + draw(st.integers(0, 3 * WIDTH)), len(late) + n, counter)
        for n, counter in enumerate(draw(st.lists(st.sampled_from(counters), max_size=60)))
    ]
    # An uplink sent as `counter` and late by k arrives among those sent as `counter + k`.
    return [counter for _, _, counter in sorted(late + repeats)]


@given(arrivals(), st.booleans())
def test_each_counter_is_stored_once_and_gaps_are_exact(counters: list[int], timed: bool) -> None:
    stored, gaps, _ = play(("s", counter, counter * HOUR if timed else None) for counter in counters)
    assert sorted(counter for _, counter in stored) == sorted(set(counters))
    first, last = counters[0], max(counters)
    assert gaps == last - first + 1 - len({counter for counter in counters if counter >= first})


@given(arrivals(), arrivals(), st.data())
def test_two_sessions_interleaved_at_the_join_do_not_disturb_each_other(
    old: list[int], new: list[int], data: st.DataObject
) -> None:
    tail = data.draw(st.integers(0, min(len(old) - 1, 5)))
    head, late = old[: len(old) - tail], old[len(old) - tail :]
    later = (max(old) + 1) * HOUR
    at_join = [("new", counter, later + counter * HOUR) for counter in new]
    for counter in late:
        at_join.insert(data.draw(st.integers(1, len(at_join))), ("old", counter, counter * HOUR))
    _, gaps, memory = play(("old", counter, counter * HOUR) for counter in head)
    stored, more, _ = play(at_join, joined(memory, "new", later))
    assert sorted(counter for session, counter in stored if session == "new") == sorted(set(new))
    assert {counter for session, counter in stored if session == "old"} == set(late) - set(head)
    seen_old, first = set(old), old[0]
    missing_old = max(old) - first + 1 - len({counter for counter in seen_old if counter >= first})
    assert gaps + more == missing_old + max(new) + 1 - len(set(new))


def test_a_device_that_counts_again_is_heard_and_makes_no_gap() -> None:
    sent = [("s", n, n * HOUR) for n in range(100, 130)]
    again = [("s", n, (200 + n) * HOUR) for n in range(3, 20)]
    stored, gaps, _ = play([*sent, *again, *again[-5:], *sent[-5:]])
    assert stored == [(session, counter) for session, counter, _ in sent + again]
    assert gaps == 0


def test_a_repeat_from_before_the_window_is_not_stored_again() -> None:
    stored, gaps, _ = play([*(("s", n, n) for n in range(500)), *(("s", n, n) for n in range(500))])
    assert len(stored) == 500
    assert gaps == 0


def test_a_join_counts_from_zero_and_a_device_never_seen_from_its_first() -> None:
    assert play([("s", 7, 1)])[1] == 0
    assert play([("s", 7, 1)], joined(EMPTY, "s", 0))[1] == 7


def test_old_and_repeated_joins_change_nothing() -> None:
    _, _, memory = play([("a", 5, 5 * HOUR)])
    memory = joined(memory, "b", 6 * HOUR)
    for session, at_ms in (("b", 6 * HOUR), ("a", 4 * HOUR), ("c", 5 * HOUR)):
        assert joined(memory, session, at_ms) == memory


def test_a_leap_is_another_count_not_that_many_lost() -> None:
    _, gaps, _ = play([("s", 5, 1), ("s", 5 + LONGEST_JUMP, 2), ("s", 4_000_000_000, 3)])
    assert gaps == LONGEST_JUMP - 1


def test_an_uplink_of_a_forgotten_session_is_no_news() -> None:
    _, _, memory = play([("a", 5, 1), ("b", 0, 2), ("c", 0, 3)])
    assert judge(memory, "a", 5, 1) == Verdict(False, 0, memory)


@pytest.mark.parametrize("at_ms", [None, 10])
def test_the_memory_survives_as_bytes(at_ms: int | None) -> None:
    _, _, memory = play([("a", 2**62, at_ms), ("ü" * 40, 7, at_ms)])
    assert from_bytes(to_bytes(memory, NOBODY))[0] == memory
    assert from_bytes(b"") == (EMPTY, NOBODY)
