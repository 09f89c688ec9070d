"""`nodes ssh-check --all` over simulated nodes: every outcome has its word, and no key is confirmed by it."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from console import ssh_login
from console.cli.main import root
from console.config import Config
from console.node_access import NodeAccess
from device_drivers.simcity.shell import KNOWN_HOSTS
from device_drivers.ssh import SshTarget
from local_store.db import Store
from local_store.keys import store_key
from local_store.nodes import upsert_nodes
from local_store.records import Node
from tests.contracts.shell_city import make, shell_city
from tests.contracts.test_trust import OTHER_KEY

EXPECTED = {
    "ge-bue-0001": "ok",
    "ge-bue-0002": "unknown_key",
    "ge-bue-0003": "changed_key",
    "ge-bue-0004": "refused",
    "ge-bue-0005": "unreachable",
    "ge-bue-0006": "no_login",
    "ge-bue-0007": "no_driver",
    "ge-bue-0008": "unreachable",
    "ge-bue-0009": "unknown_key",
}


@pytest.fixture
def city(tmp_path: Path) -> Iterator[list[str]]:
    """Nine nodes, the last two behind jump hosts: one that is trusted and lets nobody through, one that is not."""
    with shell_city(tmp_path, [make(at) for at in range(1, 10)]) as served:
        port = served.server.port
        kept = []
        for line in (tmp_path / KNOWN_HOSTS).read_text().splitlines(keepends=True):
            host = line.split("]")[0].lstrip("[")
            told = f"[{host}]:{port} ssh-ed25519 {OTHER_KEY}\n" if host == "127.44.0.3" else line
            kept += [] if host == "127.44.0.2" else [told]
        (tmp_path / "store").mkdir()
        (tmp_path / "store" / KNOWN_HOSTS).write_text("".join(kept))
        profiles = {4: "stranger", 6: "broken", 8: "jumping", 9: "lost"}
        rows = [
            Node(f"ge-bue-{at:04}", f"Mast {at}", f"127.44.0.{at}", "mesh", district="Buer" if at < 4 else "Horst",
                 vendor="Cambium" if at == 7 else "OpenWrt", profile=profiles.get(at, ""))
            for at in range(1, 10)
        ]  # fmt: skip
        rows[4] = replace(rows[4], address="127.45.0.1", profile="closed")
        store = Store(tmp_path / "store", store_key(tmp_path / "store", "file").raw)
        store.ops.write(lambda cx: upsert_nodes(cx, rows, 1))
        store.close()
        login = f'port = {port}\nkey_file = "ssh-key"\n'
        config = tmp_path / "leitstand.toml"
        config.write_text(
            f'[store]\ndirectory = "store"\n[ssh.default]\n{login}[ssh.stranger]\nport = {port}\nuser = "nobody"\n'
            f'password = {{ env = "LEITSTAND_TEST_WRONG" }}\n[ssh.closed]\nport = 1\nkey_file = "ssh-key"\n'
            f'[ssh.broken]\nport = {port}\npassword = {{ env = "LEITSTAND_TEST_MISSING" }}\n'
            f'[ssh.gate]\nhost = "127.44.0.1"\n{login}[ssh.jumping]\njump = "gate"\n{login}'
            f'[ssh.strange]\nhost = "127.44.0.2"\n{login}[ssh.lost]\njump = "strange"\n{login}'
        )
        yield ["--config", str(config), "--lang", "en"]


def call(*words: str) -> Result:
    runner = CliRunner(env={"LEITSTAND_TEST_WRONG": "no"})
    return runner.invoke(root, words, prog_name="leitstand", standalone_mode=False)


def test_every_node_has_an_outcome_and_no_key_is_confirmed(city: list[str], tmp_path: Path) -> None:
    known = (tmp_path / "store" / KNOWN_HOSTS).read_text()
    result = call("nodes", "ssh-check", "--all", "--json", *city)
    found = {row["node_id"]: row for row in map(json.loads, result.stdout.splitlines())}
    assert {node: row["outcome"] for node, row in found.items()} == EXPECTED
    assert result.return_value == 1
    assert found["ge-bue-0001"]["host_key"].startswith("SHA256:")
    assert found["ge-bue-0003"]["evidence"].count("SHA256:") == 2
    assert found["ge-bue-0009"]["device"] == "[ssh.strange]", "it is the jump host that nobody knows"
    assert "not reached through [ssh.gate]" in found["ge-bue-0008"]["evidence"]
    assert "9 nodes, 9 at a time" in result.stderr
    assert "1 changed key, 2 unknown key" in result.stderr
    assert "leitstand nodes trust '[ssh.strange]'" in result.stderr
    assert (tmp_path / "store" / KNOWN_HOSTS).read_text() == known


def test_the_table_has_those_first_that_need_somebody(city: list[str]) -> None:
    result = call("nodes", "ssh-check", "--all", *city)
    rows = result.stdout.splitlines()[1:]
    assert [row.split()[0][-1] for row in rows] == ["3", "2", "9", "4", "5", "8", "6", "1", "7"]
    assert "changed key" in rows[0]


def test_a_filter_chooses_and_all_well_is_zero(city: list[str]) -> None:
    some = call("nodes", "ssh-check", "--all", "bezirk:buer", "--json", *city)
    assert len(some.stdout.splitlines()) == 3
    well = call("nodes", "ssh-check", "--all", "node:0001", "--json", *city)
    assert [json.loads(line)["outcome"] for line in well.stdout.splitlines()] == ["ok"]
    assert well.return_value == 0


def test_without_a_login_or_a_node_it_says_what_is_missing(city: list[str], tmp_path: Path) -> None:
    assert "name a node, or give --all" in str(call("nodes", "ssh-check", *city).exception)
    (tmp_path / "bare.toml").write_text('[store]\ndirectory = "store"\n')
    bare = call("nodes", "ssh-check", "--all", "--config", str(tmp_path / "bare.toml"), "--lang", "en")
    assert "no [ssh.NAME]" in str(bare.exception)


def test_no_more_than_so_many_are_tried_at_a_time(tmp_path: Path) -> None:
    """Counted where a login is worked out, which every try begins with; three have to meet there to go on."""
    lock, together = threading.Lock(), threading.Barrier(3, timeout=20)
    now, most = [0], [0]

    class Counting(NodeAccess):
        def target(self, node: Node) -> SshTarget:
            with lock:
                now[0] += 1
                most[0] = max(most[0], now[0])
            together.wait()
            with lock:
                now[0] -= 1
            return super().target(node)

    access = Counting(Config(), tmp_path, tmp_path, lambda _id: None, lambda _node, _line: None)
    nodes = [Node(f"n{at}", "n", "127.0.0.1", "mesh") for at in range(12)]
    found = list(ssh_login.try_all(access, nodes, 3, 1.0))
    assert {one.outcome for one in found} == {"no_login"}
    assert len(found) == 12
    assert most[0] == 3
