"""Pushes over virtual nodes: what is confirmed stays, what cuts the link goes back, a crash loses nothing."""

from __future__ import annotations

import json
import threading
from pathlib import Path

import pytest

from device_drivers.errors import Garbled, Unreachable
from local_store import configs, journal
from local_store.db import Store
from mesh_mgmt.config_text import NotStored
from mesh_mgmt.uci_change import Key
from playbooks.configuration import backups, policy, push, service
from tests.sim.config_fleet import Crash, CrashingStore, Desk, Fleet, resolve

CHANNEL = Key("wireless", "radio0", "channel")
GOOD = "[uci.wireless.radio0]\nchannel = 44\n[uci.network.wan]\n_type = 'interface'\nproto = 'dhcp'\n"
CUTS = "[uci.network.lan]\nipaddr = '10.99.0.1'\n"


@pytest.fixture
def desk(store: Store, tmp_path: Path) -> Desk:
    (tmp_path / "templates").mkdir()
    return Desk(store, Fleet({"gw": "", "a": "gw", "b": "a", "c": "gw"}), tmp_path / "templates")


def steps(desk: Desk, run_id: str) -> dict[str, tuple[str, str]]:
    return {
        one.name: (one.state, json.loads(one.evidence).get("why", ""))
        for one in desk.store.read(lambda cx: journal.steps_of(cx, run_id))
    }


def test_a_push_reaches_leaves_first_and_ends_in_sync(desk: Desk) -> None:
    desk.templates(GOOD)
    run_id = desk.ask("gw", "a", "b", "c")
    assert desk.go_on() == "done"
    names = [name for name, verb in desk.fleet.commands if verb == "config-apply"]
    assert names.index("b") < names.index("a") < names.index("gw")
    assert names[-1] == "gw"
    assert {state for state, _ in steps(desk, run_id).values()} == {"done"}
    for name in desk.fleet.nodes:
        assert desk.fleet.running(name)[CHANNEL] == "44"
        found = policy.judge_node(desk.store, policy.load(desk.directory), desk.node(name), resolve, desk.fleet.now_ms)
        assert found is not None
        assert found.drift is not None
        assert found.drift.verdict == "in_sync"
    history = desk.store.read(lambda cx: configs.history(cx, "a"))
    assert [one.cause for one in history] == ["after_push", "asked"]


@pytest.mark.parametrize("reboots", [False, True])
def test_a_change_that_cuts_the_link_goes_back_by_itself(desk: Desk, reboots: bool) -> None:
    desk.templates(CUTS)
    before = desk.fleet.running("b")
    run_id = desk.ask("b", "a")
    seen_cut = []

    def after(name: str, verb: str) -> None:
        if verb == "config-apply" and reboots:
            desk.fleet.nodes[name].due.append((desk.fleet.now_ms / 1000 + 5, lambda node: node.reboot()))
            desk.fleet.nodes[name].due.append(
                (desk.fleet.now_ms / 1000 + 3, lambda node: seen_cut.append(node.cut_off))
            )

    desk.fleet.after = after
    assert desk.go_on() == "failed"
    assert desk.fleet.running("b") == before
    assert not desk.fleet.nodes["b"].cut_off
    assert seen_cut == ([True] if reboots else [])
    assert "it went back by itself" in steps(desk, run_id)["confirm b"][1]
    assert steps(desk, run_id)["apply a"][0] == "waiting", "the push had to stop at the first failure"
    assert desk.store.read(lambda cx: configs.last_applied(cx, "b")) is None


def test_a_crash_at_every_write_leaves_a_push_that_goes_on(tmp_path: Path) -> None:
    crashes = 0
    for writes in range(20):
        store = Store(tmp_path / f"store{writes}", bytes(32))
        directory = tmp_path / f"templates{writes}"
        directory.mkdir()
        desk = Desk(store, Fleet({"gw": "", "a": "gw"}), directory)
        desk.templates(GOOD)
        run_id = desk.ask("a", "gw")
        try:
            desk.go_on(CrashingStore(store, writes))
        except Crash:
            crashes += 1
            assert not service.open_runs(store) or desk.go_on() == "done"
        assert {state for state, _ in steps(desk, run_id).values()} == {"done"}
        for name in ("a", "gw"):
            assert desk.fleet.running(name)[CHANNEL] == "44"
            assert desk.fleet.applied(name) == 1
            applied = store.read(lambda cx, name=name: configs.last_applied(cx, name))
            assert applied is not None
        store.close()
    assert 8 <= crashes < 20


def test_what_somebody_changed_since_the_difference_was_shown_is_not_overwritten(desk: Desk) -> None:
    desk.templates(GOOD)
    run_id = desk.ask("b")
    files = desk.fleet.nodes["b"].files
    files["/etc/config/system"] = bytes(files["/etc/config/system"]).replace(b"'b'", b"'other'")
    assert desk.go_on() == "failed"
    assert "not the one the difference was shown against" in steps(desk, run_id)["apply b"][1]
    assert desk.fleet.applied("b") == 0


def test_a_node_that_took_something_else_is_left_as_it_was(desk: Desk) -> None:
    desk.templates(GOOD)
    before = desk.fleet.running("b")
    run_id = desk.ask("b")
    desk.fleet.garble = lambda command, stdin: stdin.replace(b"set wireless.radio0.channel='44'\n", b"")
    assert desk.go_on() == "failed"
    assert "not taken: wireless.radio0.channel" in steps(desk, run_id)["apply b"][1]
    assert desk.fleet.running("b") == before
    assert desk.fleet.applied("b") == 0


def test_a_lost_answer_to_apply_is_settled_by_looking(desk: Desk) -> None:
    desk.templates(GOOD)
    desk.ask("b")

    def after(name: str, verb: str) -> None:
        if verb == "config-apply" and desk.fleet.applied(name) == 1:
            raise Unreachable(name, "the answer was lost")

    desk.fleet.after = after
    assert desk.go_on() == "done"
    assert desk.fleet.applied("b") == 1


def test_an_engine_that_stops_leaves_the_run_open(desk: Desk) -> None:
    desk.templates(GOOD)
    desk.ask("b")
    desk.fleet.nodes["b"].go_dark(30)
    stop = threading.Event()
    stop.set()
    (run,) = service.open_runs(desk.store)
    ports = push.Ports(desk.store, desk.fleet.open_node, lambda: desk.fleet.now_ms, stop)
    assert push.carry_out(ports, run) == "running"
    assert desk.go_on() == "done"


def test_a_read_that_broke_off_is_never_stored(desk: Desk) -> None:
    node = desk.node("b")
    versions = len(desk.store.read(lambda cx: configs.history(cx, "b")))
    files = desk.fleet.nodes["b"].files

    def take(accept: bool = False) -> None:
        backups.take(desk.store, desk.fleet.open_node, node, cause="asked", actor="mk", now_ms=desk.fleet.now_ms,
                     accept_smaller=accept)  # fmt: skip

    desk.fleet.nodes["b"].cut_off = True
    with pytest.raises(Exception, match="no answer"):
        take()
    desk.fleet.nodes["b"].cut_off = False
    files["/etc/config/odd"] = b"config 'open"
    with pytest.raises((NotStored, Garbled)):
        take()
    for path in [path for path in files if path.startswith("/etc/config/") and not path.endswith("system")]:
        del files[path]
    with pytest.raises(NotStored, match="it shrank from"):
        take()
    look = desk.store.read(lambda cx: configs.get_look(cx, "b"))
    assert look is not None
    assert "it shrank from" in look.failure
    assert len(desk.store.read(lambda cx: configs.history(cx, "b"))) == versions
    take(accept=True)
    assert len(desk.store.read(lambda cx: configs.history(cx, "b"))) == versions + 1


def test_every_node_has_its_turn_once_a_day_and_sooner_after_a_notice_or_a_failure(desk: Desk) -> None:
    inventory = [desk.node("a")]
    looks = desk.store.read(configs.looks)
    at = desk.fleet.now_ms

    def due(later_ms: int, noticed: dict[str, int] | None = None, failure: str = "") -> list[str]:
        changed = {"a": configs.Look("a", looks["a"].tried_ms, failure=failure)}
        return [cause for _, cause in backups.due(inventory, changed, noticed or {}, backups.DAY_MS, at + later_ms)]

    day = [hour for hour in range(48) if due(hour * 3_600_000)]
    assert day == list(range(day[0], 48))
    assert day[0] <= 24
    assert due(1000, {"a": at + 500}) == []
    assert due(backups.NOTICE_AGAIN_MS + 1, {"a": at + 500}) in (["notice"], ["daily"])
    assert due(backups.RETRY_MS + 1, failure="no answer") == ["daily"]
    assert backups.due(inventory, {}, {}, backups.DAY_MS, at) == [(inventory[0], "daily")]
    slots = {backups._slot(f"n{number}", backups.DAY_MS, at) // 3_600_000 for number in range(500)}
    assert len(slots) >= 24, "backups must be spread over the day"
