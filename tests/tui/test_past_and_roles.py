"""Time travel, roles, saved views, the outbox and ranges, as a person meets them."""

from __future__ import annotations

import json
import random
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from types import FrameType

import pytest

from console.tui.line_table import LineTable
from console.tui.screens import Place
from local_store import alerts, intents, view_settings
from local_store.db import Store
from local_store.records import AlertKey
from local_store.telemetry import tail
from local_store.telemetry.series import SeriesIds
from tests.tui.city import MINUTE, NOW_MS, fill
from tests.tui.driver import Ui, running

ARMED = intents.WriteGrant("mk", "network", NOW_MS * 2)


@pytest.fixture
def city(tmp_path: Path) -> Iterator[Store]:
    store = fill(tmp_path)
    yield store
    store.close()


def ask(store: Store, node_id: str) -> str:
    body = json.dumps({"node_id": node_id})
    rng = random.Random(node_id)
    return store.ops.write(lambda cx: intents.queue(cx, ARMED, "node.poll", body, now_ms=NOW_MS, rng=rng))


def an_hour_ago(store: Store) -> None:
    """Node 5 was down and came back; bin 19 was nearly empty."""
    key = AlertKey("node", "ge-tst-0005", "down")
    store.ops.write(lambda cx: alerts.open_alert(cx, key, "critical", '{"cause": "silent"}', NOW_MS - 70 * MINUTE))
    store.ops.write(lambda cx: alerts.close_alert(cx, key, NOW_MS - 50 * MINUTE))
    ids = SeriesIds()

    def measure(cx: object) -> None:
        rtt = ids.number(cx, ("ge-tst-0003", "rtt_ms"))  # type: ignore[arg-type]
        fill_pct = ids.number(cx, ("24e1240000100013", "fill_pct"))  # type: ignore[arg-type]
        then = NOW_MS - 62 * MINUTE
        tail.append(cx, [(rtt, then, 77.0), (fill_pct, then, 12.0)])  # type: ignore[arg-type]

    store.telemetry.write(measure)


async def back(ui: Ui, when: str) -> None:
    await ui.press("t")
    await ui.until("zurück bis wann?" if when == "" else "15min")
    ui.app.screen.query_one("Input").value = when  # type: ignore[attr-defined]
    await ui.press("Enter")
    await ui.until("VERGANGENHEIT")


async def test_the_past_shows_what_was_stored_and_nothing_else(city: Store) -> None:
    an_hour_ago(city)
    async with running(city.directory, (120, 40)) as ui:
        await ui.press("2")
        await ui.until("ge-tst-0007")
        await back(ui, "60min")
        shown = await ui.until("58 unbekannt", "1 ok", "1 aus", "ge-tst-0005")
        five = next(line for line in shown.splitlines() if "ge-tst-0005" in line)
        assert "keine Antwort" in five
        assert "✖" in five
        await ui.press("/", "ge-tst-0003", "Enter")
        shown = await ui.until("77,0 ms", gone="ge-tst-0005")
        three = next(line for line in shown.splitlines() if "77,0 ms" in line)
        assert "ok" in three
        await ui.press("3")
        shown = await ui.until("VERGANGENHEIT", "12 %")
        await ui.press("1")
        await ui.until("VERGANGENHEIT", "0 fällig", "ge-tst-0005")
        ui.app.open_target("node:ge-tst-0003")
        await ui.until("Schnittstellen", "VERGANGENHEIT", "Antwortzeit  77,0")
        await ui.press("o")
        await ui.until("ZEIGT JETZT")
        await ui.press("T")
        await ui.until("NUR-LESEN", gone="VERGANGENHEIT")


async def test_steps_lead_through_the_past_and_back_to_now(city: Store) -> None:
    async with running(city.directory) as ui:
        await ui.press(",")
        await ui.until("VERGANGENHEIT Mo", "13:15")
        await ui.press(",")
        await ui.until("13:10")
        await ui.press(".")
        await ui.until("13:15")
        await ui.press(".")
        await ui.until("NUR-LESEN", gone="VERGANGENHEIT")


async def test_what_has_no_past_tells_its_ages_from_now(city: Store) -> None:
    async with running(city.directory, (60, 15)) as ui:
        await ui.press("2")
        await ui.until("ge-tst-0007")
        await ui.press(",")
        await ui.until("Netz › Knoten", "◀", "13:15")
        for target in ("outbox", "calls", "rollouts", "configs", "health", "service:poll", "rollout:R-1", "config:x"):
            ui.app.open_target(target)
            await ui.until("ZEIGT JETZT")
            place = ui.app.screen
            assert isinstance(place, Place)
            assert place.now_ms == NOW_MS, target
        ask(city, "ge-tst-0003")
        ui.app.open_target("outbox")
        await ui.until("0 s Knoten abfragen")


async def test_nothing_is_written_while_looking_at_the_past(city: Store) -> None:
    async with running(city.directory) as ui:
        await ui.press("!")
        await ui.until("SCHREIBEN")
        await ui.press("2")
        await ui.until("ge-tst-0007")
        await ui.press(",")
        await ui.until("VERGANGENHEIT")
        await ui.press("a")
        await ui.until("T führt ins Jetzt")
        assert city.read(intents.queued) == []


async def test_what_waits_can_be_taken_back(city: Store) -> None:
    ask(city, "ge-tst-0003")
    async with running(city.directory) as ui:
        await ui.press("o")
        await ui.until("wartet", "Knoten abfragen", "ge-tst-0003")
        await ui.press("z")
        await ui.until("nur lesen")
        await ui.press("!", "z")
        await ui.until("Zurücknehmen: 1")
        await ui.press("Enter")
        await ui.until("1 zurückgenommen")
        await ui.until("zurückgenommen", gone="wartet")
        assert city.read(intents.queued) == []
        await ui.press("z")
        await ui.until("hier ist nichts zurückzunehmen")


async def test_calls_of_all_nodes_stand_in_one_list(city: Store) -> None:
    async with running(city.directory) as ui:
        await ui.press("#")
        await ui.until("snmp v3 get 12", "ge-tst-0000", "60 gezeigt")
        await ui.press("/", "bezirk:horst", "Enter")
        await ui.until("15 gezeigt")
        await ui.press("Enter")
        await ui.until("Schnittstellen")


async def test_a_range_is_marked_and_many_want_their_number_typed(city: Store) -> None:
    async with running(city.directory) as ui:
        await ui.press("!", "2")
        await ui.until("ge-tst-0007")
        await ui.press("v", *["Down"] * 20)
        await ui.until("21 markiert", "BEREICH")
        await ui.press("v")
        await ui.until("21 markiert", gone="BEREICH")
        await ui.press("a")
        await ui.until("Jetzt abfragen: 21", "21 eintippen")
        await ui.press("Enter")
        assert city.read(intents.queued) == []
        await ui.press("21", "Enter")
        await ui.until("21 Abfragen vorgemerkt")
        assert len(city.read(intents.queued)) == 21


async def test_escape_drops_a_range_then_a_filter_then_the_screen(city: Store) -> None:
    async with running(city.directory) as ui:
        await ui.press("2")
        await ui.until("ge-tst-0007")
        await ui.press("/", "bezirk:buer", "Enter")
        await ui.until("15 gezeigt")
        await ui.press("v", "Down")
        await ui.until("BEREICH")
        await ui.press("Esc")
        await ui.until("15 gezeigt", gone="BEREICH")
        await ui.press("Esc")
        await ui.until("KNOTEN", gone="gezeigt")
        await ui.press("Esc")
        await ui.until("GEvernetzt")


async def test_order_and_columns_are_kept_and_views_have_names(city: Store) -> None:
    async with running(city.directory) as ui:
        await ui.press("2")
        await ui.until("ge-tst-0007")
        ui.app.screen.query_one(LineTable)._sort_by("rtt")
        await ui.press("R", "w")
        await ui.until("RTT▼", "BREIT")
        await ui.press("/", "bezirk:buer", "Enter")
        await ui.until("15 gezeigt")
        await ui.press(":", "ansicht speichern Meine", "Enter")
        await ui.until("als Ansicht Meine behalten")
        assert city.read(lambda cx: view_settings.read(cx, view_settings.SAVED))["Meine"]["filter"] == "bezirk:buer"
    async with running(city.directory, view="Meine") as ui:
        await ui.until("bezirk:buer", "RTT▼", "BREIT", "15 gezeigt")
        await ui.press(":", "ansicht nirgends", "Enter")
        await ui.until("es gibt keine Ansicht nirgends")
        await ui.press(":", "ansicht löschen Meine", "Enter")
        await ui.until("Ansicht Meine ist gelöscht")
    async with running(city.directory) as ui:
        await ui.press("2")
        await ui.until("RTT▼", "BREIT")


async def test_all_columns_can_be_walked_through(city: Store) -> None:
    async with running(city.directory, (60, 15)) as ui:
        await ui.press("2")
        await ui.until("ge-tst-0007")
        await ui.press("w")
        await ui.until("BREIT", "BEZIRK")
        ui.app.screen.query_one(LineTable).action_shift(99)
        await ui.until("ge-tst-0007", "24 h", gone="BEZIRK")


@pytest.mark.parametrize(
    ("role", "start", "offered", "missing"),
    [("network", "GEvernetzt", "abfragen", ""), ("dispatch", "kind:bin", "", "abfragen"), ("field", "Alarme", "", "")],
)
async def test_a_role_decides_where_one_begins_and_what_is_offered(
    city: Store, role: str, start: str, offered: str, missing: str
) -> None:
    async with running(city.directory, role=role) as ui:
        await ui.until(start)
        await ui.press("2")
        shown = await ui.until("ge-tst-0007", offered)
        assert not missing or missing not in shown


async def test_a_role_may_not_do_what_the_gate_forbids_it(city: Store) -> None:
    async with running(city.directory) as ui:
        await ui.press("!", ":", "rolle dispo", "Enter")
        await ui.until("kind:bin", "NUR-LESEN")
        await ui.press("!", "2")
        await ui.until("ge-tst-0007")
        await ui.press("a")
        ui.app.open_target("node:ge-tst-0003")
        await ui.until("Schnittstellen")
        await ui.press("a")
        await ui.until("diese Rolle darf das nicht")
        assert city.read(intents.queued) == []


async def test_a_moment_that_is_still_being_read_is_not_shown_after_going_back_to_now(city: Store) -> None:
    async with running(city.directory) as ui:
        await ui.until("GEvernetzt")
        ui.app.action_step(-1)
        await ui.comes(lambda: reading() or ui.app.feed.then is not None, "the past is being read")
        ui.app.action_now()
        await ui.comes(lambda: not reading(), "the past is read")
        await ui.settled()
        assert ui.app.feed.then is None


def reading() -> bool:
    """Whether some other thread is on its way through the past."""
    for ident, frame in sys._current_frames().items():
        walked: FrameType | None = frame if ident != threading.get_ident() else None
        while walked is not None:
            if walked.f_code.co_name in ("moment", "call_from_thread"):
                return True
            walked = walked.f_back
    return False
