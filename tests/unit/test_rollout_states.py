"""The table of one node's upgrade: whole, reachable, and never flashing twice."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mesh_mgmt.rollout_states import (
    FAILURES,
    FINAL,
    MAX_DELIVERIES,
    TRANSITIONS,
    UNDECIDED,
    UNTOUCHED,
    Event,
    IllegalMoveError,
    Probe,
    Sent,
    State,
    diagram,
    judge,
    step,
)

SENT = Sent("key", "board", "boot-1", "2.4.1", "2.4.2", deadline_ms=1000, deliveries=1)
FLASHING = Probe("key", "board", "boot-1", "2.4.1", fence=True)


def test_every_state_can_be_reached_and_left_unless_it_is_final() -> None:
    assert {move.after for move in TRANSITIONS} | {State.PENDING} == set(State)
    assert {move.before for move in TRANSITIONS} == set(State) - FINAL
    assert len({(move.before, move.event) for move in TRANSITIONS}) == len(TRANSITIONS)


def test_the_flash_is_sent_from_one_place_and_only_after_the_intent_is_on_disk() -> None:
    into = [move for move in TRANSITIONS if move.after is State.COMMIT_INTENT]
    assert [(move.before, bool(move.durable)) for move in into] == [(State.TESTED, True)]
    back = [move for move in TRANSITIONS if move.before in UNDECIDED and move.after in UNTOUCHED - {State.REFUSED}]
    assert {move.event for move in back} == {Event.NOT_DELIVERED}
    assert {move.after for move in back} == {State.TESTED}


def test_silence_counts_as_failure() -> None:
    assert State.LOST in FAILURES
    assert State.REFUSED not in FAILURES


def test_a_move_the_table_does_not_know_is_a_defect() -> None:
    with pytest.raises(IllegalMoveError, match="confirmed knows no begin"):
        step(State.CONFIRMED, Event.BEGIN)


@pytest.mark.parametrize(
    ("probe", "now_ms", "dominators_up", "event"),
    [
        (None, 999, True, None),
        (None, 1000, True, Event.DEADLINE_PASSED),
        (None, 5000, False, None),
        (FLASHING, 999, True, None),
        (FLASHING, 1000, True, Event.DEADLINE_PASSED),
        (replace(FLASHING, refusal=True), 0, True, Event.IMAGE_REFUSED),
        (replace(FLASHING, fence=False), 0, True, Event.NOT_DELIVERED),
        (replace(FLASHING, boot_id="boot-2", fence=False, version="2.4.2"), 0, True, Event.NEW_BOOT_NEW_VERSION),
        (replace(FLASHING, boot_id="boot-2", fence=False), 0, True, Event.NEW_BOOT_OLD_VERSION),
        (replace(FLASHING, boot_id="boot-2", fence=False, fell_back=True), 0, True, Event.BANK_FELL_BACK),
        (replace(FLASHING, host_key="other"), 0, True, Event.OTHER_IDENTITY),
        (replace(FLASHING, board_name="other"), 0, True, Event.OTHER_IDENTITY),
    ],
)
def test_what_a_probe_means(probe: Probe | None, now_ms: int, dominators_up: bool, event: Event | None) -> None:
    assert judge(SENT, probe, now_ms, dominators_up) is event


def test_an_undelivered_flash_is_tried_again_only_so_often() -> None:
    unfenced = replace(FLASHING, fence=False)
    assert judge(replace(SENT, deliveries=MAX_DELIVERIES), unfenced, 0, True) is Event.IMAGE_REFUSED


@given(
    st.builds(
        Probe,
        *[st.sampled_from(words) for words in (["key"], ["board"], ["boot-1", "boot-2"], ["2.4.1", "2.4.2"])],
        fence=st.booleans(),
        refusal=st.booleans(),
        fell_back=st.booleans(),
    )
    | st.none(),
    st.integers(0, 2000),
    st.booleans(),
    st.sampled_from(sorted(UNDECIDED)),
)
def test_every_verdict_is_a_legal_move(probe: Probe | None, now_ms: int, up: bool, state: State) -> None:
    event = judge(SENT, probe, now_ms, up)
    if event is not None and not (
        state is State.LOST and event in {Event.DEADLINE_PASSED, Event.NOT_DELIVERED, Event.IMAGE_REFUSED}
    ):
        assert step(state, event)


def test_the_diagram_holds_every_row() -> None:
    assert diagram().count("-->") == 1 + len(TRANSITIONS) + len(FINAL)
