"""The status in lines: every system has one, and one without data says so."""

from __future__ import annotations

import pytest

from console import texts
from console.cli.status import _city, _console
from local_store.db import Store
from local_store.lease import Lease
from local_store.liveness import beat
from local_store.nodes import upsert_nodes
from local_store.records import Node, Sensor
from local_store.sensing import upsert_sensors
from local_store.views.overview import Overview, overview

NOW = 1_790_000_000_000


def seen(store: Store, now_ms: int = NOW) -> Overview:
    """What the status is made of."""
    return store.read(lambda cx: overview(cx, now_ms))


@pytest.mark.parametrize(("lang", "nothing"), [("en", "no data yet"), ("de", "noch ohne Daten")])
def test_an_empty_city_claims_nothing(store: Store, lang: str, nothing: str) -> None:
    texts.set_language(lang)
    lines = dict(_city(seen(store)))
    assert len(lines) == 7
    assert all(text == nothing for text in lines.values())


def test_systems_with_data_are_counted(store: Store) -> None:
    store.ops.write(lambda cx: upsert_nodes(cx, [Node("a", "a", "10.0.0.1", "mesh")], 1))
    store.ops.write(lambda cx: upsert_sensors(cx, [Sensor("c", "c", "passenger", "gebewegt")], 1))
    lines = dict(_city(seen(store)))
    assert lines["GEvernetzt"] == "1 node: 0 ok, 0 warning, 0 down, 0 unreachable, 1 unknown"
    assert lines["GEbewegt"] == "1 sensor"


def test_troubled_services_are_named_while_an_engine_lives(store: Store) -> None:
    lease = Lease(store, NOW)
    store.ops.write(lambda cx: beat(cx, "poll", "running", '{"per_s": 12.5}', NOW))
    store.ops.write(lambda cx: beat(cx, "ingest b", "retrying", "{}", NOW))
    lines = dict(_console(seen(store), NOW))
    assert lines["engine"] == "running, 12 polls a second"
    assert lines["  ingest b"] == "failed, trying again"
    assert "  poll" not in lines
    later = NOW + 3_600_000
    lines = dict(_console(seen(store, later), later))
    assert lines["engine"] == "not running (last beat 60 min ago)"
    assert "  ingest b" not in lines
    lease.release()


@pytest.mark.parametrize(
    ("lang", "links", "odd", "more", "why"),
    [
        ("en", "0 links, 0 far ends nobody knows", "3 rows of its tables make no sense", "2 more odd rows",
         "neighbours not told: refused"),
        ("de", "0 Verbindungen, 0 unbekannte Gegenstellen", "3 Zeilen seiner Tabellen ergeben keinen Sinn",
         "2 weitere Zeilen", "nennt keine Nachbarn: refused"),
    ],
)  # fmt: skip
def test_rows_and_nodes_that_are_not_understood_are_no_secret(
    store: Store, lang: str, links: str, odd: str, more: str, why: str
) -> None:
    texts.set_language(lang)
    detail = '{"odd_rows": 5, "odd": {"ge-a": 3}, "not_understood": ["ge-b: refused: no login"]}'
    store.ops.write(lambda cx: beat(cx, "mesh", "running", detail, NOW))
    lines = _console(seen(store), NOW)
    told = dict(lines)
    assert told[texts._("mesh")] == links
    assert told["  ge-a"] == odd
    assert told["  ge-b"].startswith(why)
    assert more in told[""]
    texts.set_language("en")
