"""From polls to states and samples: rates, reboots, restarts of the engine, alerts that follow the level."""

from __future__ import annotations

import json
from dataclasses import replace

from device_drivers.api import EngineFacts, Poll, SnmpCredentials
from device_drivers.errors import Refused, Unreachable
from local_store.alerts import open_alerts
from local_store.db import Store
from local_store.records import Node
from mesh_mgmt.alerting import node_wrong, reconcile
from mesh_mgmt.counters import WRAP32
from mesh_mgmt.health import HealthLimits
from mesh_mgmt.poller import Mapper, Outcome
from mesh_mgmt.roster import targets

MINUTE = 60_000
ENGINE = EngineFacts(b"\x80\x00\x00\x00\x01", 1, 1, 0)


def answer(
    minute: int,
    octets: int | None,
    *,
    up_ticks: int | None = None,
    host_ticks: int | None = None,
    boots: int = 1,
    discontinuity: int = 0,
    status: int = 1,
) -> Poll:
    ticks = 1_000_000 + minute * 6000 if up_ticks is None else up_ticks
    host = ticks if host_ticks is None else host_ticks
    scalars = (ticks, host, boots, ticks // 100, b"node", b"OpenWrt 23.05.3 r23809", 1000, 400, 100, 100, 50, 90)
    rows = {(1,): (b"wlan0", octets, None if octets is None else octets * 2, 100, discontinuity, status)}
    return Poll("ge-bue-0001", minute * MINUTE, 3.21, 2, scalars, rows, ENGINE)


def failure(minute: int, error: type[Unreachable | Refused] = Unreachable) -> Poll:
    return Poll("ge-bue-0001", minute * MINUTE, 0.0, 3, error=error("ge-bue-0001", "no answer, 3 x 2 s"))


def run(mapper: Mapper, *polls: Poll) -> list[Outcome]:
    return [mapper.handle(poll, poll.due_ms) for poll in polls]


def test_two_polls_give_a_state_with_rates_and_samples() -> None:
    mapper = Mapper(HealthLimits())
    mapper.handle(answer(0, 0), 0)
    got = mapper.handle(answer(1, 750_000), MINUTE)
    assert (got.state.state, got.state.in_bps, got.state.out_bps) == ("ok", 100_000, 200_000)
    assert (got.state.load_pct, got.state.mem_pct, got.state.firmware) == (10.0, 40.0, "23.05.3")
    assert ("ge-bue-0001/wlan0", "in_bps", MINUTE, 100_000) in got.samples
    assert json.loads(got.state.interfaces)[0]["name"] == "wlan0"
    assert json.loads(got.state.calls)[-1][1] == "snmp v3 get 12 + bulk 1x6: 3.2 ms"


def test_the_call_of_one_exchange_is_told_as_it_was() -> None:
    got = Mapper(HealthLimits()).handle(replace(answer(0, 0), exchanges=1), 0)
    assert json.loads(got.state.calls)[-1][1] == "snmp v3 bulk 12 + 1x6: 3.2 ms"


def test_a_reboot_or_discontinuity_gives_no_rate_and_a_reboot_is_said() -> None:
    mapper = Mapper(HealthLimits())
    mapper.handle(answer(0, 10**9), 0)
    rebooted = mapper.handle(answer(1, 500, up_ticks=3000, boots=2), MINUTE)
    assert rebooted.state.in_bps is None
    assert (rebooted.state.state, rebooted.state.cause) == ("warning", "rebooted")
    mapper = Mapper(HealthLimits())
    mapper.handle(answer(0, 0), 0)
    assert mapper.handle(answer(1, 750_000, discontinuity=5), MINUTE).state.in_bps is None


def test_the_engine_goes_on_after_a_restart_as_if_nothing_had_happened() -> None:
    polls = [answer(0, 0), failure(1), failure(2), answer(3, 10**6), failure(4), answer(5, 3 * 10**6)]
    whole = Mapper(HealthLimits())
    expected = [whole.handle(poll, poll.due_ms) for poll in polls]
    states = []
    before = None
    for poll in polls:
        fresh = Mapper(HealthLimits())
        if before is not None:
            assert fresh.restore([before]) == 0
        states.append(fresh.handle(poll, poll.due_ms))
        before = states[-1].state
    assert states == expected


def test_failures_have_their_own_causes() -> None:
    mapper = Mapper(HealthLimits())
    seen = [mapper.handle(failure(minute, Refused), minute * MINUTE).state for minute in range(3)]
    assert (seen[-1].state, seen[-1].cause) == ("down", "refused")


def test_what_was_known_of_a_silent_node_stays_but_no_rate_does() -> None:
    mapper = Mapper(HealthLimits())
    run(mapper, answer(0, 0), answer(1, 750_000))
    state = mapper.handle(failure(2), 2 * MINUTE).state
    assert (state.firmware, state.load_pct, state.seen_ms) == ("23.05.3", 10.0, MINUTE)
    assert (state.in_bps, state.rtt_ms) == (None, None)
    assert json.loads(state.interfaces)[0]["name"] == "wlan0"


def test_an_uptime_that_wraps_after_497_days_is_no_reboot() -> None:
    mapper = Mapper(HealthLimits())
    mapper.handle(answer(0, 0, up_ticks=WRAP32 - 3000), 0)
    got = mapper.handle(answer(1, 750_000, up_ticks=3000), MINUTE)
    assert (got.state.state, got.state.in_bps) == ("ok", 100_000)


def test_a_node_that_came_up_just_before_it_was_first_asked_has_not_been_seen_rebooting() -> None:
    mapper = Mapper(HealthLimits())
    assert mapper.handle(answer(0, 0, up_ticks=3000), 0).state.state == "ok"
    assert mapper.handle(answer(1, 0, up_ticks=9000), MINUTE).state.state == "ok"


def test_an_agent_restart_is_no_reboot_and_a_reboot_is_shown_for_ten_minutes() -> None:
    mapper = Mapper(HealthLimits())
    run(mapper, answer(0, 0, host_ticks=10**8))
    agent = mapper.handle(answer(1, 750_000, up_ticks=100, host_ticks=10**8 + 6000, boots=2), MINUTE)
    assert (agent.state.state, agent.state.in_bps) == ("ok", None)
    shown = [mapper.handle(answer(m, 0, up_ticks=m * 6000, boots=3), m * MINUTE).state.cause for m in range(2, 12)]
    assert shown == ["rebooted"] * 8 + [""] * 2


def test_an_interface_that_goes_down_is_a_fault_for_a_day_or_until_it_is_back() -> None:
    mapper = Mapper(HealthLimits())
    assert run(mapper, answer(0, 0, status=2))[0].state.state == "ok"  # never seen up: nobody misses it
    minute = 24 * 60
    states = run(mapper, answer(1, 0), answer(2, 0, status=2), answer(3, 0, status=2), answer(4, 0))
    assert [one.state.cause for one in states] == ["", "interface_down", "interface_down", ""]
    later = run(mapper, answer(5, 0, status=7), answer(minute, 0, status=7), answer(minute + 5, 0, status=7))
    assert [one.state.cause for one in later] == ["interface_down", "interface_down", ""]


def test_a_rebooted_agent_is_asked_for_wide_counters_again_and_mixes_nothing() -> None:
    mapper = Mapper(HealthLimits())
    run(mapper, answer(0, None))
    assert mapper.widths("ge-bue-0001") == "narrow"
    narrow = run(mapper, answer(1, 0), answer(2, 750_000))[-1]
    assert narrow.state.in_bps == 100_000
    mapper.handle(answer(3, 1000, up_ticks=3000, boots=2), 3 * MINUTE)
    assert mapper.widths("ge-bue-0001") == "wide"
    wide = run(mapper, answer(4, 10**6, up_ticks=9000, boots=2), answer(5, 1_750_000, up_ticks=15_000, boots=2))
    assert [one.state.in_bps for one in wide] == [None, 100_000]


def test_an_agent_without_wide_counters_is_asked_for_narrow_ones() -> None:
    mapper = Mapper(HealthLimits())
    poll = answer(0, 0)
    poll.rows[(1,)] = (b"wlan0", None, None, 100, 0, 1)
    mapper.handle(poll, 0)
    assert mapper.widths("ge-bue-0001") == "narrow"


def test_a_missing_profile_is_named() -> None:
    nodes = [Node("a", "a", "127.0.0.1", "mesh"), Node("b", "b", "127.0.0.2", "mesh", profile="gone")]
    found, missing = targets(nodes, {"default": SnmpCredentials("2c", "public")}, 2000, 2)
    assert (list(found), missing) == (["a"], [("b", "gone")])


def test_alerts_follow_the_level(store: Store) -> None:
    scope = [("node", "a"), ("node", "b")]

    def apply(states: dict[str, tuple[str, str]], now_ms: int) -> tuple[int, int]:
        wrong = [node_wrong(node, state, cause, 1) for node, (state, cause) in states.items()]  # type: ignore[arg-type]
        found = store.ops.write(lambda cx: reconcile(cx, scope, [one for one in wrong if one], now_ms))
        return found.opened, found.closed

    assert apply({"a": ("down", "silent"), "b": ("warning", "loss")}, 10) == (2, 0)
    assert apply({"a": ("down", "silent"), "b": ("warning", "loss")}, 11) == (0, 0)
    assert apply({"a": ("warning", "loss"), "b": ("ok", "")}, 12) == (1, 2)
    assert [(alert.entity_id, alert.kind) for alert in store.read(open_alerts)] == [("a", "degraded")]


def mixed(minute: int, wide: int | None, narrow: int | None, *, both: bool, up_ticks: int | None = None) -> Poll:
    """A node whose second interface has no 64-bit counters; `both` answers the plan with both widths."""
    poll = answer(minute, wide, up_ticks=up_ticks)
    rows = {(1,): (b"eth0", wide, wide, 1000, 0, 1), (2,): (b"vlan7", None, None, 100, 0, 1)}
    if both:
        low = None if wide is None else wide % 2**32
        rows = {(1,): (*rows[(1,)], low, low), (2,): (*rows[(2,)], narrow, narrow)}
    return replace(poll, rows=rows)


def test_an_interface_without_wide_counters_beside_others_has_a_rate_too() -> None:
    mapper = Mapper(HealthLimits())
    mapper.handle(mixed(0, 2**40, 0, both=False), 0)
    assert mapper.widths("ge-bue-0001") == "both"
    polls = [mixed(at, 2**40 + at * 7_500_000, (2**32 - 750_000 + at * 750_000) % 2**32, both=True) for at in (1, 2)]
    _, second = run(mapper, *polls)
    rates = {entity: value for entity, quantity, _, value in second.samples if quantity == "in_bps"}
    assert rates == {"ge-bue-0001/eth0": 1_000_000, "ge-bue-0001/vlan7": 100_000}
    assert mapper.widths("ge-bue-0001") == "both"


def test_an_interface_without_any_counter_is_asked_for_in_vain_once_until_the_next_restart() -> None:
    mapper = Mapper(HealthLimits())
    run(mapper, mixed(0, 100, None, both=False), mixed(1, 200, None, both=True))
    assert mapper.widths("ge-bue-0001") == "wide"
    mapper.handle(mixed(2, 300, None, both=False), 2 * MINUTE)
    assert mapper.widths("ge-bue-0001") == "wide"
    run(mapper, *[mixed(at, 10 * at, None, both=False, up_ticks=at * 6000 - 15_000) for at in (3, 4)])
    assert mapper.widths("ge-bue-0001") == "both"


def test_a_wide_reading_is_never_compared_with_a_narrow_one() -> None:
    mapper = Mapper(HealthLimits())
    run(mapper, mixed(0, 2**33, 5, both=False), mixed(1, 2**33, 5, both=True))
    lost = mixed(2, None, 10**6, both=True)
    lost.rows[(1,)] = (b"eth0", None, None, 1000, 0, 1, 10**6, 10**6)
    got = mapper.handle(lost, 2 * MINUTE)
    rates = [value for entity, quantity, _, value in got.samples if quantity == "in_bps" and "eth0" in entity]
    assert rates == []


def test_of_two_rows_with_one_name_the_interface_that_is_up_counts() -> None:
    """net-snmp keeps the row of a deleted interface, frozen, beside the one made anew under another index."""
    mapper = Mapper(HealthLimits())
    mapper.handle(answer(0, 9_000_000), 0)

    def beside(minute: int, octets: int, old_index: int) -> Outcome:
        poll = answer(minute, octets)
        frozen = (b"wlan0", 9_000_000, 18_000_000, 100, 0, 2)
        rows = {(1 + old_index,): frozen, (2 - old_index,): poll.rows[(1,)]}
        return mapper.handle(replace(poll, rows=dict(sorted(rows.items()))), poll.due_ms)

    for old_index in (0, 1):
        first = beside(1 + 3 * old_index, 1000, old_index)
        assert first.state.in_bps is None, "counters of another interface"
        got = beside(2 + 3 * old_index, 1000 + 750_000, old_index)
        assert (got.state.in_bps, got.state.state) == (100_000, "ok")
        assert len(json.loads(got.state.interfaces)) == 1
        assert [name for _, name, _, _ in got.samples].count("in_bps") == 1
