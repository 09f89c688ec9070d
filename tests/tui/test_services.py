"""What services say about themselves is shown in words and human units, also what nobody has words for yet."""

from __future__ import annotations

import ast
import contextlib
from collections.abc import Iterator
from pathlib import Path

import pytest

from console import texts
from console.tui import service_boards
from console.tui.service_boards import ERRORS, WORDS, counter_value, counter_word, service, service_line
from local_store.db import Store
from local_store.views.console_health import ServiceView
from tests.conftest import KEY
from tests.tui.city import HOUR, NOW_MS, busy
from tests.tui.driver import running

ROOT = Path(__file__).parents[2]
SERVICES = [*(ROOT / "playbooks").rglob("*.py"), ROOT / "console" / "call_log.py", ROOT / "console" / "supervisor.py"]


def reported(tree: ast.AST) -> Iterator[str]:
    """Names of counters: dicts given to `report`, made by a `_detail`, or counted up in a run's totals."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and getattr(node.func, "id", "") == "report":
            yield from keys(node)
        if isinstance(node, ast.FunctionDef) and node.name == "_detail":
            yield from keys(node)
        if isinstance(node, ast.Assign | ast.AnnAssign) and isinstance(node.value, ast.Dict):
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            names = {getattr(one, "attr", getattr(one, "id", "")) for one in targets}
            if names & {"_totals", "_done", "_told", "done"}:
                yield from keys(node.value)


def keys(node: ast.AST) -> Iterator[str]:
    for one in ast.walk(node):
        if isinstance(one, ast.Dict):
            yield from (key.value for key in one.keys if isinstance(key, ast.Constant))
        if isinstance(one, ast.Subscript) and isinstance(one.ctx, ast.Store) and isinstance(one.slice, ast.Constant):
            yield one.slice.value


def test_every_counter_of_a_service_has_words() -> None:
    found = {name for path in SERVICES for name in reported(ast.parse(path.read_text(encoding="utf-8")))}
    assert len(found) > 30, "the counters are somewhere else now"
    assert found - WORDS.keys() - set(ERRORS) == set()


@pytest.mark.parametrize(
    ("name", "value", "word", "shown"),
    [
        ("since_ms", NOW_MS - 2 * HOUR, "seit", "2 h"),
        ("pause_ms", 90_000, "pause", "90 s"),
        ("cache_bytes", 5_000_000, "cache", "5 MB"),
        ("hits", 1234, "hits", "1.234"),
        ("share_pct", 7.0, "share", "7 %"),
        ("per_s", 36.75, "je Sekunde", "36,8"),
        ("reserve_held", True, "Plattenreserve vorhanden", "ja"),
        ("refused", {"too_old": 2, "garbled": 1}, "abgelehnt", "3"),
        ("not_understood", ["a", "b"], "unverständlich", "2"),
    ],
)
def test_a_number_has_its_unit_and_never_raw_milliseconds(name: str, value: object, word: str, shown: str) -> None:
    texts.set_language("de")
    assert (counter_word("later", name), counter_value(name, value, NOW_MS)) == (word, shown)


def view(state: str = "running", name: str = "ingest city", **detail: object) -> ServiceView:
    return ServiceView(name, state, NOW_MS - HOUR, NOW_MS, detail)


def line(one: ServiceView, width: int = 100) -> str:
    return "".join(part if isinstance(part, str) else part[0] for part in service_line(one, NOW_MS, width, False))


def test_trouble_comes_first_and_an_error_that_is_over_is_not_shown() -> None:
    assert line(view(messages_stored=5, broker_error="no route")).endswith("no route")
    assert line(view("retrying", error="disk is full", rolled=3)).endswith("disk is full")
    assert "disk" not in line(view(error="disk is full", rolled=3))
    assert line(view(messages_stored=5, values_refused=2)).index("refused") < line(
        view(messages_stored=5, values_refused=2)
    ).index("stored")


def test_a_line_shows_whole_counters_only_and_a_page_all_of_them() -> None:
    one = view(connected=True, since_ms=NOW_MS - HOUR, messages_received=18_211, messages_stored=18_200, waiting=0)
    assert line(one, 60).rstrip().endswith("connected for 60 min")
    page = "\n".join("".join(text for text, _style in row.parts) for row in service(one, NOW_MS, 80, False))
    for words in ("connected", "since", "60 min", "18,211", "18,200", "waiting"):
        assert words in page
    assert "nothing to report" in line(view())
    assert service_boards.service_name("ingest city") == "messages city"


async def test_no_service_runs_where_the_engine_is_dead(tmp_path: Path) -> None:
    busy(tmp_path)
    with contextlib.closing(Store(tmp_path, KEY)) as store:
        store.ops.write(lambda cx: cx.execute("UPDATE lease SET beat_ms = ?", (NOW_MS - HOUR,)))
    async with running(tmp_path, lang="en") as ui:
        await ui.press("5")
        shown = await ui.until("not running", "polling", "upkeep")
        assert "● running" not in shown
        assert "connected for" not in shown
        assert shown.count("stopped") == 3
        ui.app.open_target("service:poll")
        await ui.until("stopped", "answers")
