"""Everything a screen has to say can be read to its end, and its bottom line offers only what can be done there."""

from __future__ import annotations

import contextlib
import json
import random
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from textual import events
from textual.app import App

from console import texts
from console.tui import config_boards, rollout_boards
from console.tui.lines import Line, line, wrapped
from console.tui.present_lists import alert_limit
from console.tui.screens import Place
from console.tui.service_boards import service_line
from console.tui.widgets import BoardView
from local_store import alerts, configs, intents, rollouts
from local_store.alerts import AlertKey
from local_store.db import Store
from local_store.intents import IntentKind, Role, WriteGrant
from local_store.sqlite import Connection
from local_store.views.configs import page
from local_store.views.console_health import ServiceView
from local_store.views.rollouts import board, node_run
from tests.conftest import KEY
from tests.sim.rollout_fleet import Fleet, planned, tree
from tests.tui.city import HOUR, NOW_MS, fill
from tests.tui.driver import Ui, running
from tests.tui.whole import ONE, TARGETS, whole

LINK = {"a": "ge-tst-0004", "b": "ge-tst-0009-with-a-long-name", "band": "5"}
LONG = "sysupgrade: the image check said no, and " + " ".join(f"word-{at}" for at in range(40))


@pytest.fixture
def city(tmp_path: Path) -> Iterator[Store]:
    store = fill(tmp_path)
    yield store
    store.close()


def read(lines: list[Line], width: int) -> str:
    """What stands on the lines, one after the other; none of them is cut."""
    found = ["".join(text for text, _style in one.parts) for one in lines]
    assert all(len(one.rstrip()) < width for one in found if "──" not in one), found
    return " ".join(" ".join(found).split())


def told(ui: Ui) -> str:
    """The screen as one line."""
    return " ".join(ui.text().split())


def footer(ui: Ui) -> list[str]:
    """The keys in the bottom line."""
    place = ui.app.screen
    assert isinstance(place, Place)
    offered = place.keys()
    return [key for key, _word in offered]


@pytest.mark.parametrize("size", [(80, 24), (60, 20)])
async def test_a_links_alert_is_read_to_its_end(city: Store, size: tuple[int, int]) -> None:
    key = AlertKey("link", "ge-tst-0004/mesh0~ge-tst-0009/mesh0", "down")
    city.ops.write(lambda cx: alerts.open_alert(cx, key, "critical", json.dumps(LINK), NOW_MS - 500))
    async with running(city.directory, size, "en") as ui:
        await ui.press("4")
        await ui.until("SINCE", "since")
        await ui.comes(lambda: "ge-tst-0004 - ge-tst-0009-with-a-long-name (5 GHz)" in told(ui), "the whole sentence")


def test_an_acknowledgement_tells_the_day_it_ends_on_where_that_is_not_today() -> None:
    row = {"acked_by": "mk", "severity": "warning", "opened": NOW_MS}
    try:
        for lang, today, later in (("en", "until 1", "until 12-"), ("de", "bis 1", "bis ")):
            texts.set_language(lang)
            assert alert_limit({**row, "until": NOW_MS + HOUR}, NOW_MS)[0].startswith(today)
            shown = alert_limit({**row, "until": NOW_MS + 24 * 14 * HOUR}, NOW_MS)[0]
            assert shown.startswith(later)
            assert ":" not in shown
    finally:
        texts.set_language("en")


@pytest.mark.parametrize(
    ("text", "between", "rows"),
    [
        ("one two three", " ", ["one two", "three"]),
        ("one   two three four   x", "   ", ["one", "two three", "four   x"]),
        ("0123456789abcdef", " ", ["012345678", "9abcdef"]),
    ],
)
def test_nothing_is_cut_off_where_lines_are_broken(text: str, between: str, rows: list[str]) -> None:
    assert wrapped(text, 9, between) == rows


def test_what_a_node_said_in_a_rollout_is_read_to_its_end(tmp_path: Path) -> None:
    with contextlib.closing(Store(tmp_path, KEY)) as store:
        row = planned(store, Fleet(tree(3)))
        node = store.read(lambda cx: rollouts.nodes(cx, row.rollout_id))[0]
        store.ops.write(lambda cx: rollouts.change_node(cx, node, detail=LONG))
        found = store.read(lambda cx: node_run(cx, row.rollout_id, node.node_id))
    assert found is not None
    event = rollouts.EventRow(row.rollout_id, node.node_id, 1, NOW_MS, "tested", "refused", f"image_test {LONG}")
    for width in (60, 80):
        shown = read(rollout_boards.node_run(replace(found, events=(event,)), width), width)
        assert shown.count(LONG) == 2


def test_a_long_option_is_read_to_its_end_with_every_blank(tmp_path: Path) -> None:
    whole(tmp_path)
    with contextlib.closing(Store(tmp_path, KEY)) as store:
        found = store.read(lambda cx: page(cx, "ge-tst-0003"))
    long = "a  b" * 60
    drift = ({"option": "dhcp.lan.dhcp_option", "verdict": "drifted", "running": long, "intended": long},)
    shown = config_boards.page(replace(found, drift=drift), NOW_MS, 60, ascii_only=False)
    values = [one.parts[-1][0] for one in shown if one.parts[0][0] in ("   - ", "     ", "   + ")]
    assert "".join(values) == long * 2


@pytest.mark.parametrize(("node", "key"), [("ge-tst-0000", False), ("ge-tst-0003", True)])
async def test_a_node_offers_its_uplink_only_where_it_has_one(city: Store, node: str, key: bool) -> None:
    async with running(city.directory) as ui:
        ui.app.open_target(f"node:{node}")
        await ui.until("Schnittstellen", "kopieren")
        assert ("↵" in footer(ui)) == key
        assert "kopieren…" not in ui.text()


OFFERED: dict[tuple[str, str, Role], set[str]] = {
    ("approved", "", "network"): {"a"},
    ("running", "", "network"): {"P", "a"},
    ("paused", "budget", "network"): {"P", "f", "a"},
    ("paused", "operator", "network"): {"f", "a"},
    ("complete", "", "network"): set(),
    ("running", "", "field"): {"P"},
    ("paused", "operator", "dispatch"): set(),
}


@pytest.mark.parametrize(("state", "reason", "role"), list(OFFERED))
async def test_a_rollout_offers_only_what_can_be_decided(tmp_path: Path, state: str, reason: str, role: Role) -> None:
    with contextlib.closing(Store(tmp_path, KEY)) as store:
        planned(store, Fleet(tree(6)))
        row = store.read(lambda cx: rollouts.expect(cx, "R-0001"))
        if state != row.state:
            store.ops.write(lambda cx: rollouts.change(cx, row, state=state, pause_reason=reason, started_ms=NOW_MS))
    async with running(tmp_path, lang="en", role=role) as ui:
        ui.app.open_target(f"rollout:{row.rollout_id}")
        await ui.until("WAVE", "copy")
        assert set(footer(ui)) & {"P", "f", "a"} == OFFERED[state, reason, role]
        if state == "complete":
            await ui.press("!", "P")
            await ui.until("not now: R-0001 is complete")
            await ui.press("a")
            await ui.until("not now: R-0001 is complete")


async def test_a_page_takes_the_cursor_along() -> None:
    class One(App[None]):
        def compose(self):  # type: ignore[no-untyped-def]
            yield BoardView()

    async with One().run_test(size=(40, 10)) as pilot:
        board = pilot.app.query_one(BoardView)
        board.show([line(str(at), opens=f"node:{at}" if at % 3 == 0 else "") for at in range(40)])
        await pilot.pause()
        found = []
        for step in (1, 1, 1, 1, 1, -1, -1, -1, -1, -1):
            board.action_scroll_page(step)
            assert board.scroll_offset.y <= board.place < board.scroll_offset.y + 10
            found.append(board.place)
        assert found == [9, 18, 27, 36, 39, 30, 21, 12, 3, 0]
        for end, place in ((1, 39), (0, 0)):
            board.action_edge(end)
            assert board.place == place
            assert board.scroll_offset.y <= place < board.scroll_offset.y + 10


@pytest.mark.parametrize(
    "pasted",
    [[events.Paste("bezirk:horst")], [events.Key("colon" if one == ":" else one, one) for one in "bezirk:horst"]],
    ids=["bracketed", "letter by letter"],
)
async def test_what_is_pasted_right_behind_a_key_meets_the_question_it_opened(
    city: Store, pasted: list[events.Event]
) -> None:
    async with running(city.directory) as ui:
        await ui.press("2")
        await ui.until("ge-tst-0007")
        for event in (events.Key("slash", "/"), *pasted):
            ui.app.post_message(event)
        ui.app.post_message(events.Key("enter", None))
        await ui.until("15 gezeigt")


BOARDS = ("overview", "mesh", "provision", "node", "sensor", "config", "service", "rollout", "rolloutnode")


@pytest.mark.parametrize("lang", ["de", "en"])
async def test_no_board_cuts_anything_at_sixty_columns(tmp_path: Path, lang: str) -> None:
    whole(tmp_path)
    async with running(tmp_path, (60, 60), lang) as ui:
        for name in BOARDS:
            ui.app.open_target(ONE.get(name, name))
            shown = await ui.until(TARGETS[name])
            cut = [row for row in shown.splitlines()[1:-1] if "…" in row]
            assert cut == [], name


async def test_a_narrow_wave_counts_every_node(tmp_path: Path) -> None:
    whole(tmp_path)
    with contextlib.closing(Store(tmp_path, KEY)) as store:
        found = store.read(lambda cx: board(cx, "R-0001"))
    assert found is not None
    waves = tuple(
        replace(one, nodes=21, waiting=1, loading=2, checking=3, ok=4, failed=5, back=6) for one in found.waves
    )
    shown = rollout_boards.board(replace(found, waves=waves), NOW_MS, 60)
    row = next(one for one in shown if one.parts[0][0].startswith(f" {waves[0].wave} "))
    assert [int(text) for text, _style in row.parts[1:6]] == [21, 1, 5, 4, 11]


def test_a_node_that_was_never_read_is_not_called_as_intended(tmp_path: Path) -> None:
    whole(tmp_path)
    with contextlib.closing(Store(tmp_path, KEY)) as store:
        store.ops.write(lambda cx: configs.look(cx, "ge-tst-0009", NOW_MS, "no driver"))
        never = store.read(lambda cx: page(cx, "ge-tst-0009"))
        shown = read(config_boards.page(never, NOW_MS, 80, ascii_only=False), 80)
    assert "never read" in shown
    assert "no driver" in shown
    assert "nothing is different" not in shown
    assert "no rule is broken" not in shown


async def test_what_was_asked_of_a_rollout_or_a_configuration_is_named_not_shown_as_json(city: Store) -> None:
    armed, rng = WriteGrant("mk", "network", NOW_MS * 2), random.Random(3)
    asked: dict[IntentKind, object] = {
        "rollout.start": {"rollout": "R-0007", "on_call": "Tina"},
        "config.push": {"plan": {"batches": [[{"node": "ge-tst-0004"}], [{"node": "ge-tst-0005"}]]}},
        "provision.start": {"job": {"node_id": "ge-tst-0999", "serial": "X"}},
    }
    for kind, body in asked.items():
        city.ops.write(
            lambda cx, kind=kind, body=body: intents.queue(cx, armed, kind, json.dumps(body), now_ms=NOW_MS, rng=rng)
        )
    async with running(city.directory, lang="en") as ui:
        await ui.press("o")
        shown = await ui.until("R-0007", "ge-tst-0004 …", "ge-tst-0999")
        assert "{" not in shown


async def test_ending_the_armed_time_is_said(city: Store) -> None:
    async with running(city.directory, lang="en") as ui:
        await ui.press("!")
        await ui.until("writing is armed")
        await ui.press("!")
        await ui.until("read-only again", gone="writing is armed")


def test_a_service_always_says_something_in_its_line() -> None:
    one = ServiceView("notify", "running", NOW_MS, NOW_MS, {"unknown_engines": ["80001f88 10.0.0.9 (2)"]})
    *_head, (told, _style) = service_line(one, NOW_MS, 50, ascii_only=False)
    assert told == "1 from unknown…"


async def test_a_rollout_lists_what_is_under_way_and_leads_to_its_steps(tmp_path: Path) -> None:
    with contextlib.closing(Store(tmp_path, KEY)) as store:
        row = planned(store, Fleet(tree(6)))
        node = store.read(lambda cx: rollouts.nodes(cx, row.rollout_id))[2]
        sha256 = "0123456789abcdef" * 4
        told = {"state": "dark", "deadline_ms": NOW_MS + HOUR, "image_sha256": sha256}
        store.ops.write(lambda cx: rollouts.change_node(cx, node, **told))
    async with running(tmp_path, lang="en") as ui:
        ui.app.open_target(f"rollout:{row.rollout_id}")
        await ui.until("Under way", f"{node.node_id} ", "restarts", "until ")
        await ui.press("Enter")
        await ui.until("deliveries", "restarts")
        assert sha256 in "".join(ui.text().split()).replace("image", "")


async def test_a_decision_that_was_refused_is_told_on_the_board(tmp_path: Path) -> None:
    armed, rng = WriteGrant("mk", "network", NOW_MS * 2), random.Random(3)
    why = "R-0001 is approved: only a running rollout can be paused"
    with contextlib.closing(Store(tmp_path, KEY)) as store:
        planned(store, Fleet(tree(6)))

        def ask(cx: Connection, kind: IntentKind = "rollout.pause", at_ms: int = NOW_MS) -> str:
            return intents.queue(cx, armed, kind, json.dumps({"rollout": "R-0001"}), now_ms=at_ms, rng=rng)

        asked = store.ops.write(ask)
        store.ops.write(lambda cx: intents.refuse(cx, asked, why, NOW_MS))
        async with running(tmp_path, lang="de") as ui:
            ui.app.open_target("rollout:R-0001")
            await ui.until("die letzte Entscheidung wurde abgelehnt: R-0001: freigegeben;", "laufender")
            store.ops.write(lambda cx: ask(cx, "rollout.start", NOW_MS + 1))
            await ui.until("R-0001", gone="abgelehnt")


async def test_an_acknowledgement_names_the_sensor_as_the_list_does(city: Store) -> None:
    key = AlertKey("sensor", "24e1240000100003", "silent")
    city.ops.write(lambda cx: alerts.open_alert(cx, key, "warning", "{}", NOW_MS - 500))
    async with running(city.directory, lang="en") as ui:
        await ui.press("4", "!")
        await ui.until("B-bue-0003", "WRITING")
        await ui.press("g", "a")
        await ui.until("Acknowledge: 1 (B-bue-0003)")
        await ui.press("on my way", "Enter")
        await ui.until("1 acknowledgement queued")


def test_steps_over_several_days_tell_each_day(tmp_path: Path) -> None:
    with contextlib.closing(Store(tmp_path, KEY)) as store:
        row = planned(store, Fleet(tree(3)))
        node = store.read(lambda cx: rollouts.nodes(cx, row.rollout_id))[0]
        found = store.read(lambda cx: node_run(cx, row.rollout_id, node.node_id))
    assert found is not None
    moves = [
        rollouts.EventRow(row.rollout_id, node.node_id, NOW_MS + at * HOUR, "a", "b", "dark") for at in (0, 1, 48, 49)
    ]
    shown = ["".join(text for text, _style in one.parts).strip() for one in rollout_boards.node_run(
        replace(found, events=tuple(moves)), 80)]  # fmt: skip
    days = [one for one in shown if len(one) == 10 and one[4] == "-"]
    assert days == [texts.moment(NOW_MS)[:10], texts.moment(NOW_MS + 48 * HOUR)[:10]]


def test_a_wave_that_is_only_watched_says_so(tmp_path: Path) -> None:
    whole(tmp_path)
    with contextlib.closing(Store(tmp_path, KEY)) as store:
        found = store.read(lambda cx: board(cx, "R-0001"))
    assert found is not None
    waves = (replace(found.waves[0], state="soak"), *found.waves[1:])
    goes_on = replace(found, waves=waves, rollout=replace(found.rollout, state="running"))
    assert "Under way" in read(rollout_boards.board(goes_on, NOW_MS, 80), 80)
    assert f"{waves[0].wave} canaries: watched" in read(rollout_boards.board(goes_on, NOW_MS, 80), 80)
    assert "canaries: watched" not in read(rollout_boards.board(replace(found, waves=waves), NOW_MS, 80), 80)
