"""What --json prints is what docs/command-line.md promises, key by key."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from local_store import alerts, quarantine, sensing
from local_store.db import Store
from local_store.keys import store_key
from local_store.nodes import save_states, upsert_nodes
from local_store.records import AlertKey, Node, NodeState, QuarantineRow, Sensor
from local_store.telemetry import tail
from local_store.telemetry.series import SeriesIds
from tests.journeys.processes import objects

PAGE = Path(__file__).parents[2] / "docs" / "command-line.md"
NOW = 1_790_000_000_000
COMMANDS = {
    "status": ["status"],
    "nodes list": ["nodes", "list"],
    "nodes show": ["nodes", "show", "a"],
    "nodes import": ["nodes", "import", "{csv}", "--dry-run"],
    "sensors list": ["sensors", "list"],
    "sensors show": ["sensors", "show", "bin"],
    "measurements": ["measurements", "a:rtt_ms", "--since", "2020-01-01"],
    "alerts list": ["alerts", "list"],
    "alerts ack": ["alerts", "ack", "1", "--reason", "on my way"],
    "quarantine list": ["quarantine", "list"],
    "quarantine retry": ["quarantine", "retry", "1"],
    "outbox list": ["outbox", "list", "--sort", "asked"],
    "calls": ["calls"],
    "store stats": ["store", "stats"],
    "store verify": ["store", "verify"],
    "store schema": ["store", "schema"],
    "store backup": ["store", "backup", "{copy}"],
    "doctor": ["doctor"],
}


def promised(command: str) -> list[set[str]]:
    """The documented sets of keys of a command; there are two where an option changes them."""
    row = re.search(rf"^\| `{command}` \| (.*) \|$", PAGE.read_text(encoding="utf-8"), re.MULTILINE)
    assert row is not None
    return [set(re.findall(r"`([a-z0-9_]+)`", part)) for part in row[1].split(";")]


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A store with one of everything."""
    directory = tmp_path_factory.mktemp("json")
    store = Store(directory / "store", store_key(directory / "store", "file").raw)
    store.ops.write(lambda cx: upsert_nodes(cx, [Node("a", "Mast", "10.0.0.1", "mesh")], 1))
    store.ops.write(lambda cx: sensing.upsert_sensors(cx, [Sensor("bin", "Markt", "bin", "gesaeubert")], 1))
    store.ops.write(lambda cx: alerts.open_alert(cx, AlertKey("node", "a", "down"), "critical", "{}", NOW))
    store.telemetry.write(lambda cx: quarantine.add(cx, [QuarantineRow(1, "b", "t", "k", "garbled", b"x")]))
    state = NodeState("a", "ok", 1, "", NOW, NOW, calls=b'[[1790000000000, "snmp v3 get 12: 2.1 ms"]]')
    store.telemetry.write(lambda cx: save_states(cx, [state]))
    ids = SeriesIds()
    store.telemetry.write(lambda cx: tail.append(cx, [(ids.number(cx, ("a", "rtt_ms")), NOW, 12.5)]))
    store.close()
    (directory / "nodes.csv").write_text("node_id,name,address,role\nb,B,10.0.0.2,mesh\n")
    return directory


@pytest.mark.parametrize("command", COMMANDS)
def test_json_has_the_documented_keys(command: str, place: Path) -> None:
    words = {"csv": str(place / "nodes.csv"), "copy": str(place / "copy")}
    arguments = [one.format(**words) for one in COMMANDS[command]]
    found = objects(*arguments, "--store", str(place / "store"))
    assert found
    assert all(set(one) == promised(command)[0] for one in found)


def test_json_of_buckets_and_bodies_has_the_documented_keys(place: Path) -> None:
    store = ["--store", str(place / "store")]
    stretches = objects("measurements", "a:rtt_ms", "--since", "2020-01-01", "--buckets", "5", *store)
    assert set(stretches[0]) == promised("measurements")[1] - {"buckets"}
    body = objects("quarantine", "show", "1", *store)[0]
    assert set(body) == promised("quarantine list")[0] | {"body_base64"}


def test_a_reading_comes_back_with_every_digit(place: Path) -> None:
    found = objects("measurements", "a:rtt_ms", "--since", "2020-01-01", "--store", str(place / "store"))
    assert found == [{"t_ms": NOW, "value": 12.5}]
