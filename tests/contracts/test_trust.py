"""First contact, a changed key and the check over SSH, as whole commands against a simulated node."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from local_store.db import Store
from local_store.keys import store_key
from local_store.nodes import upsert_nodes
from local_store.records import Node
from tests.contracts.shell_city import make, shell_city
from tests.journeys.processes import run


@pytest.fixture
def site(tmp_path: Path) -> Iterator[list[str]]:
    """A store with one node and a login for it, nothing confirmed yet."""
    with shell_city(tmp_path, [make()]) as city:
        store = Store(tmp_path / "store", store_key(tmp_path / "store", "file").raw)
        node = Node("ge-bue-0001", "Mast", "127.44.0.1", "mesh", vendor="OpenWrt")
        store.ops.write(lambda cx: upsert_nodes(cx, [node], 1))
        store.close()
        config = tmp_path / "leitstand.toml"
        text = f'[store]\ndirectory = "store"\n[ssh.default]\nport = {city.server.port}\nkey_file = "ssh-key"\n'
        config.write_text(text)
        yield ["ge-bue-0001", "--config", str(config), "--lang", "en"]


def test_first_contact_then_use_then_another_key(site: list[str], tmp_path: Path) -> None:
    refused = run("nodes", "ssh-check", *site)
    assert refused.returncode == 5
    assert "leitstand nodes trust ge-bue-0001" in refused.stderr
    shown = run("nodes", "trust", *site)
    assert shown.returncode == 2, "without a terminal nobody can compare"
    fingerprint = next(word for word in shown.stderr.split() if word.startswith("SHA256:"))
    wrong = run("nodes", "trust", "--fingerprint", "SHA256:other", *site)
    assert wrong.returncode == 5
    assert run("nodes", "trust", "--fingerprint", fingerprint, *site).returncode == 0
    found = json.loads(run("nodes", "ssh-check", "--json", *site).stdout)
    assert found["host_key"] == fingerprint
    assert found["board"]["board_name"] == "glinet,gl-ax1800"
    assert set(found) == {"node", "host_key", "board", "boot"}
    assert ": leitstand board" in (tmp_path / "store" / "calls.log").read_text()

    known = tmp_path / "store" / "known_hosts"
    other = "AAAAC3NzaC1lZDI1NTE5AAAAIDk5OTk5OTk5OTk5OTk5OTk5OTk5OTk5OTk5OTk5OTk5"
    known.write_text(f"{known.read_text().split()[0]} ssh-ed25519 {other}\n")
    for command in (["nodes", "ssh-check"], ["nodes", "trust", "--fingerprint", fingerprint]):
        changed = run(*command, *site)
        assert changed.returncode == 5
        assert changed.stderr.count("SHA256:") == 2
        assert "--replace" in changed.stderr
    assert run("nodes", "trust", "--replace", "--fingerprint", fingerprint, *site).returncode == 0
    assert run("nodes", "ssh-check", *site).returncode == 0
