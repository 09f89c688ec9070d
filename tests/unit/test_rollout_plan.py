"""The plan of a rollout: the graph it stands on, who is left out and why, and the way back."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from console.cli.main import root
from local_store import rollouts
from local_store.db import Store
from local_store.errors import StoreRefused
from local_store.mesh_records import LinkState
from local_store.records import Node
from mesh_mgmt.catalogue import Image, Running, choose, lacks_room, version_key
from mesh_mgmt.topology import reachable
from playbooks.firmware import decisions, observe
from playbooks.firmware.planning import decode, encode, make, make_back
from tests.sim.rollout_fleet import NEW, OLD, QUICK, START_MS, Fleet, decide, go, planned, runner

IMAGE = Image("aa", "24.10.2", "r2", ("acme,ap5",), 1000, min_version="23.05", expires_ms=START_MS + 1)


def node(name: str, uplink: str = "", role: str = "mesh") -> Node:
    return Node(name, name, "127.0.0.1", role, uplink=uplink)


def link(a: str, b: str, available_pct: float, state: str = "up") -> LinkState:
    return LinkState(f"{a}{b}", a, "w", b, "w", "5", "batadv", state, 0, 0, 0, available_pct=available_pct)  # type: ignore[arg-type]


def test_a_link_that_is_seldom_there_is_no_redundancy_but_may_be_the_only_way() -> None:
    rows = [node("g", role="gateway"), node("a", "g"), node("b", "a"), node("c", "a")]
    links = [link("a", "g", 100.0), link("a", "b", 100.0), link("b", "g", 20.0), link("a", "c", 20.0)]
    mesh = observe.mesh(rows, links, [], [])
    assert reachable(mesh) == {"g", "a", "b", "c"}
    assert reachable(mesh, frozenset({"a"})) == {"g"}, "the weak link of b does not count as a second way"
    assert reachable(observe.mesh(rows, links, [], ["a"])) == {"g"}


@pytest.mark.parametrize(
    ("running", "why"),
    [
        (Running("", "23.05.3"), "no_board"),
        (Running("other", "23.05.3"), "no_image"),
        (Running("acme,ap5", "24.10.2"), "already_there"),
        (Running("acme,ap5", "24.10.2", "r1"), None),
        (Running("acme,ap5", "22.03.7"), "too_old"),
        (Running("acme,ap5", "23.05.3", compat_version="2.0"), "other_compat"),
        (Running("acme,ap5", "23.05.3"), None),
    ],
)
def test_why_a_node_gets_no_image(running: Running, why: str | None) -> None:
    found = choose([IMAGE], "24.10.2", running, START_MS)
    assert (None if isinstance(found, Image) else found) == why
    if why is None:
        assert choose([IMAGE], "24.10.2", running, IMAGE.expires_ms) == "expired"


def test_versions_sort_as_people_read_them() -> None:
    ordered = ["22.03.7", "23.05.2", "23.05.10", "24.10.0-rc1", "24.10.0-rc2", "24.10.0", "24.10.1"]
    mixed = [ordered[at] for at in (3, 6, 1, 5, 0, 4, 2)]
    assert sorted(mixed, key=version_key) == ordered


def test_both_memories_have_to_hold_the_image() -> None:
    assert lacks_room(IMAGE, 1 << 30, 4 << 20)
    assert lacks_room(IMAGE, 4 << 20, 1 << 30)
    assert not lacks_room(IMAGE, 1 << 30, 1 << 30)


def test_a_plan_survives_its_own_json(store: Store) -> None:
    row = planned(store, Fleet({"g0": "", "n00": "g0", "n01": "g0"}))
    plan = decode(row.plan)
    assert encode(plan) == row.plan
    assert json.loads(row.plan)["cut_off"] == 0


def test_the_way_back_is_a_rollout_of_its_own(store: Store) -> None:
    fleet = Fleet({"g0": "", "n00": "g0", "n01": "g0", "n02": "g0"})
    row = planned(store, fleet, only={"n00", "n01"})
    with pytest.raises(StoreRefused, match="abort it first"):
        store.read(lambda cx: decisions.to_undo(cx, row.rollout_id))
    decide(store, fleet, "start", row.rollout_id)
    run = runner(store, fleet)
    go(run, fleet, lambda: store.read(lambda cx: rollouts.expect(cx, row.rollout_id)).state == "complete")
    before = store.read(lambda cx: decisions.to_undo(cx, row.rollout_id))
    assert before == {"n00": OLD[0], "n01": OLD[0]}
    now = store.read(lambda cx: decisions.running_after(cx, row.rollout_id))
    assert now == {"n00": NEW[0], "n01": NEW[0]}
    older = Image("old", *OLD, ("acme,ap5",), 1000, expires_ms=fleet.now_ms + 1)
    facts = store.read(lambda cx: observe.facts(cx, [older, fleet.image], now))
    back = make_back(facts, before, row.rollout_id, QUICK, now_ms=fleet.now_ms)
    assert ([one.node for one in back.nodes], back.rollback_of) == (["n00", "n01"], row.rollout_id)
    assert {one.image for one in back.nodes} == {"old"}
    assert [one.reason for one in make(facts, OLD[0], QUICK, now_ms=fleet.now_ms, only={"n02"}).excluded] == [
        "already_there"
    ]


def test_the_crash_points_the_page_names_exist() -> None:
    from playbooks.firmware.books import POINTS

    page = (Path(__file__).parents[2] / "docs" / "rollout.md").read_text(encoding="utf-8")
    assert "`commit_intent.written` or `flash.sent`" in page
    assert {"commit_intent.written", "flash.sent"} <= set(POINTS)


@pytest.mark.parametrize(
    ("options", "refused"),
    [
        (["--window", "01:00-01:10"], True),
        (["--window", "01:00-01:10", "--flash", "60", "--soak", "10"], False),
        (["--window", "01:00-01:10", "--window", "22:00-04:00"], False),
    ],
)
def test_a_window_in_which_no_batch_fits_is_refused(options: list[str], refused: bool, tmp_path: Path) -> None:
    config = tmp_path / "leitstand.toml"
    config.write_text(f'[store]\ndirectory = "{tmp_path / "store"}"\n')
    done = CliRunner().invoke(root, ["rollout", "plan", "--to", "1.0", "--config", str(config), *options])
    assert ("no window is long enough: a batch may take 11" in done.output) == refused
    assert done.exit_code != 0
