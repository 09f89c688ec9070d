"""The mesh and maintenance on the command line."""

from __future__ import annotations

import json
import time
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from console.cli.main import root
from local_store import links, nodes
from local_store.db import Store
from local_store.keys import store_key
from local_store.mesh_records import LinkEvent, LinkState, UnknownEnd
from local_store.records import Node


@pytest.fixture
def place(tmp_path: Path) -> Path:
    config = tmp_path / "leitstand.toml"
    config.write_text(f'[store]\ndirectory = "{tmp_path / "store"}"\nkey = "file"\n', encoding="utf-8")
    directory = tmp_path / "store"
    store = Store(directory, store_key(directory, "file", create=True).raw)
    rows = [Node(name, name, "127.0.0.1", "gateway" if name == "g" else "mesh") for name in ("g", "p", "x", "y")]
    store.ops.write(lambda cx: nodes.upsert_nodes(cx, rows, 1))
    measured = [link("g", "p"), link("p", "x"), link("x", "y", conflict="one_sided"), link("p", "y", available=20.0)]
    store.telemetry.write(lambda cx: links.save_links(cx, measured))
    far = UnknownEnd("x", "mesh0", "02:00:00:00:00:99", "", "batadv", "5", -70.0, "unknown", 1, 1)
    store.telemetry.write(lambda cx: links.replace_unknown(cx, "x", [far]))
    at_ms = time.time_ns() // 1_000_000
    turns = [("g", "p", 90_000, "appeared"), ("p", "x", 80_000, "appeared"), ("g", "p", 60_000, "down"),
             ("g", "p", 20_000, "up"), ("g", "pp", 10_000, "appeared")]  # fmt: skip
    events = [LinkEvent(at_ms - ago, f"{a}/m~{b}/m", what) for a, b, ago, what in turns]
    store.telemetry.write(lambda cx: links.add_events(cx, events))
    store.close()
    return config


def link(a: str, b: str, conflict: str = "", available: float = 100.0) -> LinkState:
    return LinkState(f"{a}/m~{b}/m", a, "m", b, "m", "5", "batadv", "up", 1, 1, 1, 80.0, available_pct=available,
                     conflict=conflict)  # fmt: skip


def run(config: Path, *words: str) -> Result:
    return CliRunner().invoke(root, ["--config", str(config), *words], catch_exceptions=False)


def objects(result: Result) -> list[dict[str, object]]:
    return [json.loads(line) for line in result.stdout.splitlines()]


def test_cut_nodes_with_what_they_dominate_leave_unsteady_links_out(place: Path) -> None:
    found = {str(row["node"]): row for row in objects(run(place, "topology", "cuts", "--json"))}
    assert found["p"]["behind"] == ["x", "y"]
    assert found["x"]["behind"] == ["y"], "a link there a fifth of the day is no redundancy"
    assert found["x"]["unsteady"] == 1
    assert found["g"]["share_pct"] == 75.0


def test_the_tree_and_the_way_of_a_node(place: Path) -> None:
    tree = run(place, "topology", "show").stdout.splitlines()
    assert [line.split()[0] for line in tree] == ["g", "p", "x", "y"]
    assert [len(line) - len(line.lstrip()) for line in tree] == [0, 2, 4, 6]
    (first, second) = objects(run(place, "topology", "path", "y", "--json"))
    assert (first["from"], first["to"], second["to"]) == ("y", "p", "g")


def test_conflicts_and_unknown_ends_are_shown(place: Path) -> None:
    (conflict,) = objects(run(place, "topology", "links", "--conflicts", "--json"))
    assert (conflict["a"], conflict["conflict"]) == ("x", "one_sided")
    assert "memory" not in conflict
    (far,) = objects(run(place, "topology", "unknown", "--json"))
    assert (far["mac"], far["seen_by"]) == ("02:00:00:00:00:99", "x")


@pytest.mark.parametrize("about", ["p", "p~g", "g/m~p/m", "g/m"])
def test_the_history_of_a_node_a_pair_or_a_link(place: Path, about: str) -> None:
    found = objects(run(place, "topology", "history", about, "--json"))
    mine = [row for row in found if {row["a"], row["b"]} == {"g/m", "p/m"}]
    assert [(row["what"], row["after_ms"]) for row in mine] == [("up", 40_000), ("down", 30_000), ("appeared", None)]
    others = {str(row["link_id"]) for row in found} - {"g/m~p/m"}
    assert others == {"p": {"p/m~x/m"}, "g/m": {"g/m~pp/m"}}.get(about, set())


def test_the_history_of_all_links_begins_where_it_is_asked_to(place: Path) -> None:
    lately = objects(run(place, "topology", "history", "--since", "30s", "--json"))
    assert [(row["a"], row["b"], row["what"]) for row in lately] == [("g/m", "pp/m", "appeared"), ("g/m", "p/m", "up")]
    assert lately[1]["after_ms"] == 40_000, "what came before the time asked for still counts"
    one = run(place, "topology", "history", "--limit", "1")
    assert "only the newest 1" in one.stderr
    assert len(one.stdout.splitlines()) == 2
    nobody = run(place, "topology", "history", "nobody")
    assert "no node or link nobody" in nobody.stderr
    quiet = run(place, "topology", "history", "y")
    assert quiet.stderr.strip() == "0 changes of links", "a node whose links never changed is no mistake"


def test_what_is_exported_can_be_imported_and_says_what_is_new(place: Path, tmp_path: Path) -> None:
    file = tmp_path / "links.json"
    file.write_text(run(place, "topology", "export", "--netjson").stdout, encoding="utf-8")
    (dry,) = objects(run(place, "topology", "import", str(file), "--dry-run", "--json"))
    assert dry == {"new": 4, "unchanged": 0, "rejected": 0, "applied": False}
    (real,) = objects(run(place, "topology", "import", str(file), "--json"))
    assert real["applied"]
    (again,) = objects(run(place, "topology", "import", str(file), "--json"))
    assert (again["new"], again["unchanged"]) == (0, 4)


def test_a_link_to_nobody_is_refused_by_its_place(place: Path, tmp_path: Path) -> None:
    file = tmp_path / "links.json"
    graph = {"type": "NetworkGraph", "links": [{"source": "g", "target": "p"}, {"source": "g", "target": "nobody"}]}
    file.write_text(json.dumps(graph), encoding="utf-8")
    result = run(place, "topology", "import", str(file), "--json")
    assert "link 2: nobody is not in the inventory" in result.stderr
    assert objects(result)[0]["applied"] is False


def test_a_window_is_added_listed_and_ended(place: Path) -> None:
    words = (
        "maintenance",
        "add",
        "rolle:mesh",
        "--from",
        "2099-01-01T01:00",
        "--to",
        "05:00",
        "--zone",
        "Europe/Berlin",
    )
    (added,) = objects(run(place, *words, "--repeats", "daily", "--reason", "new masts", "--json"))
    assert (added["minutes"], added["nodes"]) == (240, 3)
    (listed,) = objects(run(place, "maintenance", "list", "--json"))
    assert (listed["window_id"], listed["holds"]) == (added["window_id"], False)
    assert run(place, "maintenance", "end", str(added["window_id"])[-8:]).exit_code == 0
    assert objects(run(place, "maintenance", "list", "--json")) == []


@pytest.mark.parametrize(
    ("starts", "ends", "local", "minutes"),
    [
        ("2099-01-15T01:00Z", "2h", "2099-01-15T02:00", 120),
        ("2099-03-29T01:30", "2h", "2099-03-29T01:30", 180),  # clocks go forward at two
        ("2099-03-29T01:30", "04:30", "2099-03-29T01:30", 180),
        ("2099-10-25T01:30", "2h", "2099-10-25T01:30", 120),  # and back: longer rather than shorter
    ],
)
def test_a_length_is_that_long_also_when_the_clocks_change(
    place: Path, starts: str, ends: str, local: str, minutes: int
) -> None:
    words = ("maintenance", "add", "g", "--from", starts, "--to", ends, "--zone", "Europe/Berlin", "--reason", "r")
    (added,) = objects(run(place, *words, "--json"))
    assert (added["starts"], added["minutes"]) == (local, minutes)


@pytest.mark.parametrize(
    ("words", "part"),
    [
        (("g", "--to", "soon"), "no time"),
        (("g", "--to", "2h", "--zone", "Europe/Buer"), "no time zone"),
        (("g", "--from", "10:00", "--to", "2001-01-01T00:00"), "before the start"),
        (("nofield:3", "--to", "2h"), "no filter"),
        (("nobody", "--to", "2h"), "no node is meant"),
        (("g", "--from", "2001-01-01T00:00", "--to", "2h"), "is over already"),
    ],
)
def test_a_window_that_cannot_be_meant_is_one_sentence(place: Path, words: tuple[str, ...], part: str) -> None:
    result = run(place, "maintenance", "add", *words, "--reason", "r")
    assert part in result.stderr
