"""Tables given to other programs: every row, in each form, and nothing that must not leave the store."""

from __future__ import annotations

import csv
import io
import json
import sqlite3
import stat
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from local_store import sensing, tables
from local_store.db import Store
from local_store.errors import StoreRefused
from local_store.keys import store_key
from local_store.nodes import upsert_nodes
from local_store.records import DeviceEventRow, Node
from local_store.telemetry import roll, tail
from local_store.telemetry.series import SeriesIds
from tests.conftest import KEY
from tests.journeys.processes import LEITSTAND, objects, run

MINUTE = 60_000


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A store with two nodes, one of them with a hostile name, and one series in chunks and tail."""
    directory = tmp_path_factory.mktemp("tables") / "store"
    store = Store(directory, store_key(directory, "file").raw)
    nodes = [Node("a", 'Mast, "alt"\x1b[31m', "10.0.0.1", "mesh"), Node("b", "Tür", "10.0.0.2", "mesh")]
    store.ops.write(lambda cx: upsert_nodes(cx, nodes, 1))
    ids = SeriesIds()
    store.telemetry.write(
        lambda cx: tail.append(cx, [(ids.number(cx, ("a", "rtt_ms")), at * MINUTE, at / 10) for at in range(20)])
    )
    list(roll.roll(store))
    store.telemetry.write(lambda cx: tail.append(cx, [(ids.number(cx, ("a", "rtt_ms")), 10**9, 7.5)]))
    store.close()
    return directory


def exported(place: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return run("store", "export", *arguments, "--store", str(place))


def test_every_form_gives_the_same_rows(place: Path) -> None:
    rows = [json.loads(line) for line in exported(place, "node").stdout.splitlines()]
    assert [row["node_id"] for row in rows] == ["a", "b"]
    assert json.loads(exported(place, "node", "--format", "json").stdout) == rows
    told = list(csv.DictReader(io.StringIO(exported(place, "node", "--format", "csv").stdout)))
    assert [row["name"] for row in told] == [row["name"] for row in rows]


def test_measurements_come_unpacked_from_every_level(place: Path) -> None:
    rows = objects("store", "export", "measurements", "--store", str(place))
    assert len(rows) == 21
    assert rows[3] == {"entity": "a", "quantity": "rtt_ms", "t_ms": 3 * MINUTE, "value": 0.3}
    later = objects("store", "export", "measurements", "--since", "1970-01-10", "--store", str(place))
    assert [row["value"] for row in later] == [7.5]


def test_a_plain_file_for_other_programs_is_private_whole_and_replaces_nothing(place: Path, tmp_path: Path) -> None:
    out = tmp_path / "city.db"
    arguments = ("node", "alert", "measurements", "--format", "sqlite", "--output", str(out))
    done = exported(place, *arguments)
    assert done.returncode == 0
    assert "not encrypted" in done.stderr
    assert stat.S_IMODE(out.stat().st_mode) == 0o600
    with sqlite3.connect(out) as plain:
        assert plain.execute("SELECT count(*), max(value) FROM measurements").fetchone() == (21, 7.5)
        assert plain.execute("SELECT name FROM node ORDER BY node_id").fetchall()[1] == ("Tür",)
        assert plain.execute("SELECT count(*) FROM alert").fetchone() == (0,)
    plain.close()
    again = exported(place, *arguments)
    assert again.returncode == 4
    assert "exists already" in again.stderr
    assert [path.name for path in tmp_path.iterdir()] == ["city.db"]


def test_two_copies_to_one_file_at_once_are_each_whole(tmp_path: Path) -> None:
    one = {"entity": "a", "quantity": "rtt_ms", "t_ms": 1, "value": 0.5}

    def while_another_writes() -> Iterator[dict[str, object]]:
        yield one
        assert tables.copy(tmp_path / "out.db", [(None, [one])]) == {"measurements": 1}
        yield one

    assert tables.copy(tmp_path / "out.db", [(None, while_another_writes())]) == {"measurements": 2}
    assert [path.name for path in tmp_path.iterdir()] == ["out.db"]


def test_a_copy_that_fails_leaves_nothing(tmp_path: Path, store: Store) -> None:
    with tables.looking(store.directory, KEY) as files:
        facts = {one.table: one for one in tables.described(files)}["chunk"]
        with pytest.raises(StoreRefused, match="export measurements instead"):
            tables.copy(tmp_path / "out.db", [(facts, tables.rows(files, facts))])
    assert [path.name for path in tmp_path.iterdir()] == ["store"]


@pytest.mark.parametrize("name", sorted(tables.SEALED | tables.PACKED))
def test_what_is_sealed_or_packed_stays(name: str, store: Store) -> None:
    with tables.looking(store.directory, KEY) as files:
        facts = {one.table: one for one in tables.described(files)}[name]
        with pytest.raises(StoreRefused):
            next(tables.rows(files, facts))


def test_every_table_is_sorted_into_what_may_leave_and_what_stays(store: Store) -> None:
    with tables.looking(store.directory, KEY) as files:
        known = tables.described(files)
        for facts in known:
            if facts.table in tables.OPEN:
                list(tables.rows(files, facts))
    kinds = (tables.OPEN, tables.SEALED, tables.PACKED)
    assert {one.table for one in known} == frozenset().union(*kinds), "sort a new table into one of the three"
    assert sum(map(len, kinds)) == len(known), "a table is in one of them only"


def test_a_table_nobody_thought_of_stays(store: Store) -> None:
    store.ops.write(lambda cx: cx.execute("CREATE TABLE wifi_key (node_id TEXT, psk TEXT)"))
    with tables.looking(store.directory, KEY) as files:
        facts = {one.table: one for one in tables.described(files)}["wifi_key"]
        with pytest.raises(StoreRefused, match="not exported"):
            next(tables.rows(files, facts))


def test_rows_come_whole_over_page_borders(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tables, "PAGE_ROWS", 3)
    store.ops.write(lambda cx: upsert_nodes(cx, [Node(f"n{at:02}", "x", "", "mesh") for at in range(9)], 1))
    store.telemetry.write(
        lambda cx: sensing.add_device_events(cx, [DeviceEventRow(at % 2, f"s{at}", "join", "{}") for at in range(8)])
    )
    for at in range(7):
        store.ops.write(
            lambda cx, at=at: cx.execute("INSERT INTO view_setting VALUES (?, ?, 'x')", (f"v{at % 3}", str(at)))
        )
    with tables.looking(store.directory, KEY) as files:
        known = {one.table: one for one in tables.described(files)}
        counts = {name: len(list(tables.rows(files, known[name]))) for name in ("node", "device_event", "view_setting")}
    assert counts == {"node": 9, "device_event": 8, "view_setting": 7}


def test_packed_bytes_are_left_out_and_text_in_blobs_is_not(store: Store) -> None:
    store.telemetry.write(
        lambda cx: cx.execute(
            "INSERT INTO node_state (node_id, state, since_ms, polled_ms, memory) VALUES ('a', 'ok', 1, 1, x'ff00')"
        )
    )
    with tables.looking(store.directory, KEY) as files:
        known = {one.table: one for one in tables.described(files)}
        (row,) = tables.rows(files, known["node_state"])
    assert (row["interfaces"], row["memory"]) == ("[]", None)


def test_the_schema_names_tables_columns_and_keys(place: Path) -> None:
    store = ("--store", str(place))
    assert {"node", "alert", "chunk"} <= {one["table"] for one in objects("store", "schema", *store)}
    (node,) = objects("store", "schema", "node", *store)
    assert node["columns"][0] == {"name": "node_id", "type": "TEXT", "key": 1}
    assert "key" in run("store", "schema", "node", *store).stdout.splitlines()[0]
    assert run("store", "schema", "node", "--sql", *store).stdout.startswith("CREATE TABLE node")


def test_mistakes_are_one_sentence(place: Path, tmp_path: Path) -> None:
    unknown = exported(place, "nodez")
    assert unknown.returncode == 1
    assert "no table nodez; known here: measurements, alert" in unknown.stderr
    assert exported(place, "node", "alert").returncode == 2
    assert exported(place, "node", "--format", "sqlite").returncode == 2
    nowhere = exported(place, "node", "--format", "sqlite", "--output", str(tmp_path / "no" / "x.db"))
    assert nowhere.returncode == 4
    german = subprocess.run(
        [*LEITSTAND, "--lang", "de", "store", "export", "config_body", "--store", str(place)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert german.returncode == 4
    assert german.stderr.startswith("das geht nicht: config_body holds passwords of devices")
