"""What is told of nodes in operation, and of the restart that was the operation's doing."""

from __future__ import annotations

from dataclasses import replace

import pytest

from device_drivers.api import Poll
from local_store.records import NodeState
from mesh_mgmt.health import HealthLimits
from mesh_mgmt.impact import Impact
from mesh_mgmt.node_alarms import NodeAlarms
from mesh_mgmt.poller import Mapper

NOW_MS = 1_795_440_000_000
NODE = "ge-tst-0001"
OK = NodeState(NODE, "ok", NOW_MS, "", NOW_MS, NOW_MS)
RESTARTED = replace(OK, state="warning", cause="rebooted")
NOTHING = Impact((), 0, ())


def alarms() -> NodeAlarms:
    return NodeAlarms(Mapper(HealthLimits()), 60_000)


def told(judge: NodeAlarms, state: NodeState | None = None) -> list[str]:
    """Kinds of alerts after one more poll."""
    if state is not None:
        judge.saw(Poll(NODE, NOW_MS, 1.0, 1), state, changed=True, now_ms=NOW_MS)
    return [one.key.kind for one in judge.settle(lambda _lost: NOTHING).wrong]


def test_a_restart_in_a_rollout_is_not_told_after_it_either() -> None:
    judge = alarms()
    judge.set_operation(frozenset({NODE}))
    assert told(judge, RESTARTED) == []
    judge.set_operation(frozenset())
    assert told(judge) == []
    assert told(judge, RESTARTED) == []
    assert told(judge, replace(RESTARTED, cause="load")) == ["degraded"]
    assert told(judge, OK) == []
    assert told(judge, RESTARTED) == ["degraded"], "the next one was nobody's"


@pytest.mark.parametrize("before", [OK, replace(OK, state="warning", cause="silent")])
def test_a_restart_first_seen_right_after_a_rollout_was_still_its_doing(before: NodeState) -> None:
    """A node is proven over SSH; the poll that sees the restart may come seconds later."""
    judge = alarms()
    judge.set_operation(frozenset({NODE}))
    assert told(judge, before) == []
    judge.set_operation(frozenset())
    assert told(judge) == []
    assert told(judge, RESTARTED) == []
    assert told(judge, OK) == []
    assert told(judge, RESTARTED) == ["degraded"], "the next one was nobody's"


def test_what_is_still_wrong_at_the_first_poll_after_a_rollout_is_told() -> None:
    judge = alarms()
    judge.set_operation(frozenset({NODE}))
    loaded = replace(OK, state="warning", cause="load")
    assert told(judge, loaded) == []
    judge.set_operation(frozenset())
    assert told(judge, loaded) == ["degraded"]


def test_a_restart_nobody_ordered_is_told() -> None:
    judge = alarms()
    assert told(judge, RESTARTED) == ["degraded"]


def test_an_engine_that_starts_again_tells_no_restart_it_kept_silent_about() -> None:
    kept, open_before = alarms(), alarms()
    kept.restore([RESTARTED], [], NOW_MS)
    assert told(kept, RESTARTED) == []
    open_before.restore([RESTARTED], [], NOW_MS, {NODE})
    assert told(open_before, RESTARTED) == ["degraded"]


def test_a_restart_hidden_by_lost_polls_until_the_rollout_let_go_is_not_told() -> None:
    judge = alarms()
    judge.set_operation(frozenset({NODE}))
    lossy = replace(RESTARTED, cause="loss")
    assert told(judge, lossy) == []
    judge.set_operation(frozenset())
    told(judge, lossy)
    assert told(judge, RESTARTED) == []
    assert told(judge, OK) == []
    assert told(judge, RESTARTED) == ["degraded"]
