"""What --json prints is what docs/command-line.md promises, key by key."""

from __future__ import annotations

from pathlib import Path

import click
import pytest

from console.cli.main import root
from local_store import alerts, field_leases, quarantine, rollouts, sensing
from local_store.db import Store
from local_store.keys import signing_key, store_key
from local_store.nodes import save_states, upsert_nodes
from local_store.records import AlertKey, Node, NodeState, QuarantineRow, Sensor
from local_store.sqlite import Connection
from local_store.telemetry import tail
from local_store.telemetry.series import SeriesIds
from tests.journeys.processes import objects
from tests.json_table import promised, told
from tests.sim.rollout_fleet import Fleet, planned

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
    "store damaged list": ["store", "damaged", "list"],
    "store schema": ["store", "schema"],
    "store backup": ["store", "backup", "{copy}"],
    "doctor": ["doctor"],
    "rollout start": ["rollout", "start", "R-0001"],
    "rollout report": ["rollout", "report", "R-0001"],
    "lease list": ["lease", "list"],
}


def everything(command: click.Command = root, name: str = "") -> list[tuple[str, click.Command]]:
    """Every command that does something, by its name."""
    if not isinstance(command, click.Group):
        return [(name, command)]
    context = click.Context(command)
    children = [(one, command.get_command(context, one)) for one in command.list_commands(context)]
    return [found for one, child in children if child for found in everything(child, f"{name} {one}".strip())]


@pytest.mark.parametrize(("name", "command"), everything(), ids=[name for name, _ in everything()])
def test_the_json_of_every_command_is_told(name: str, command: click.Command) -> None:
    """With its keys, or with the reason why there is none."""
    has_json = any("--json" in parameter.opts for parameter in command.params)
    assert any(promised(name)) if has_json else told(name).startswith("no `--json`: ")


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
    store.telemetry.write(_with_a_damaged_row)
    _with_a_rollout(store)
    signing_key(directory / "store", "file")
    store.close()
    (directory / "nodes.csv").write_text("node_id,name,address,role\nb,B,10.0.0.2,mesh\n")
    return directory


def _with_a_damaged_row(cx: Connection) -> None:
    row = ("chunk", 7, 1, 1, 0, 9, 3, "the checksum of packed samples does not fit", b"x")
    cx.execute(
        "INSERT INTO damaged (place, number, s0, s1, t0_ms, t1_ms, n, reason, body) VALUES (?,?,?,?,?,?,?,?,?)", row
    )


def _with_a_rollout(store: Store) -> None:
    """Planned, with one node that a technician has."""
    row = planned(store, Fleet({"g0": "", "n00": "g0", "n01": "g0"}), only={"n00", "n01"})
    node = store.read(lambda cx: rollouts.nodes(cx, row.rollout_id))[0]
    lease = field_leases.LeaseRow("L-0001", "given", row.rollout_id, "tina", "", "", NOW, NOW + 1)
    leased = [field_leases.LeasedNode("L-0001", node.node_id, node.op_id)]
    store.ops.write(lambda cx: field_leases.create(cx, lease, leased))
    store.ops.write(lambda cx: rollouts.change_node(cx, node, state="field"))


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
    row = objects("store", "damaged", "show", "1", *store)[0]
    assert set(row) == promised("store damaged list")[0] | promised("store damaged show")[0]


def test_json_of_rollouts_has_the_documented_keys(place: Path) -> None:
    store = ["--store", str(place / "store")]
    listed, of_one = promised("rollout status")
    assert set(objects("rollout", "status", *store)[0]) == listed
    (found,) = objects("rollout", "status", "R-0001", *store)
    assert set(found) == of_one
    assert found["leases"] == [{"lease": "L-0001", "holder": "tina", "until_ms": NOW + 1, "nodes": ["n00"]}]


def test_a_reading_comes_back_with_every_digit(place: Path) -> None:
    found = objects("measurements", "a:rtt_ms", "--since", "2020-01-01", "--store", str(place / "store"))
    assert found == [{"t_ms": NOW, "value": 12.5}]
