"""First contact, a changed key and the check over SSH, as whole commands against a simulated node."""

from __future__ import annotations

import json
import os
import pty
from collections.abc import Iterator
from pathlib import Path

import click
import pytest
from click.testing import CliRunner, Result

from console.cli.main import root
from device_drivers.known_hosts import HostKeyChanged, HostKeyUnknown
from local_store.db import Store
from local_store.keys import store_key
from local_store.nodes import upsert_nodes
from local_store.records import Node
from tests.contracts.shell_city import make, shell_city
from tests.journeys.processes import run

OTHER_KEY = "AAAAC3NzaC1lZDI1NTE5AAAAIDk5OTk5OTk5OTk5OTk5OTk5OTk5OTk5OTk5OTk5OTk5"


@pytest.fixture
def site(tmp_path: Path) -> Iterator[list[str]]:
    """A store with one node, reached through another one as jump host would be; nothing confirmed yet."""
    with shell_city(tmp_path, [make()]) as city:
        store = Store(tmp_path / "store", store_key(tmp_path / "store", "file").raw)
        node = Node("ge-bue-0001", "Mast", "127.44.0.1", "mesh", vendor="OpenWrt")
        store.ops.write(lambda cx: upsert_nodes(cx, [node], 1))
        store.close()
        config = tmp_path / "leitstand.toml"
        config.write_text(
            f'[store]\ndirectory = "store"\n[ssh.default]\nport = {city.server.port}\nkey_file = "ssh-key"\n'
            f'[ssh.gate]\nhost = "127.44.0.1"\nport = {city.server.port}\nkey_file = "ssh-key"\n'
        )
        yield ["--config", str(config), "--lang", "en"]


def call(*words: str) -> Result:
    return CliRunner().invoke(root, words, prog_name="leitstand", standalone_mode=False)


def test_first_contact_then_use_then_another_key(site: list[str], tmp_path: Path) -> None:
    node = ["ge-bue-0001", *site]
    refused = run("nodes", "ssh-check", *node)
    assert refused.returncode == 5
    assert "leitstand nodes trust 'ge-bue-0001'" in refused.stderr
    shown = call("nodes", "trust", *node)
    assert isinstance(shown.exception, click.UsageError), "without a terminal nobody can compare"
    fingerprint = next(word for word in shown.stderr.split() if word.startswith("SHA256:"))
    assert call("nodes", "trust", "--fingerprint", "SHA256:other", *node).return_value == 5
    assert isinstance(call("nodes", "ssh-check", *node).exception, HostKeyUnknown)
    assert call("nodes", "trust", "--fingerprint", fingerprint, *node).return_value == 0
    found = json.loads(call("nodes", "ssh-check", "--json", *node).stdout)
    assert found["host_key"] == fingerprint
    assert found["board"]["board_name"] == "glinet,gl-ax1800"
    assert set(found) == {"node", "host_key", "board", "boot"}
    sent = [json.loads(line) for line in call("calls", "ge-bue", "--json", *site).stdout.splitlines()]
    assert "ssh : leitstand board" in [one["call"] for one in sent if one["node"] == "ge-bue-0001"]

    known = tmp_path / "store" / "known_hosts"
    known.write_text(f"{known.read_text().split()[0]} ssh-ed25519 {OTHER_KEY}\n")
    assert isinstance(call("nodes", "ssh-check", *node).exception, HostKeyChanged)
    changed = run("nodes", "trust", "--fingerprint", fingerprint, *node)
    assert changed.returncode == 5
    assert changed.stderr.count("SHA256:") == 2
    assert "--replace" in changed.stderr
    assert call("nodes", "trust", "--replace", "--fingerprint", fingerprint, *node).return_value == 0
    assert call("nodes", "ssh-check", *node).return_value == 0
    known.write_text(f"@revoked * {' '.join(known.read_text().split()[1:])}\n{known.read_text()}")
    for command in (["nodes", "ssh-check"], ["nodes", "trust", "--replace", "--fingerprint", fingerprint]):
        revoked = run(*command, *node)
        assert revoked.returncode == 5
        assert "is revoked" in revoked.stderr
        assert "make a new host key" in revoked.stderr


def test_a_jump_host_is_confirmed_by_its_section(site: list[str]) -> None:
    shown = call("nodes", "trust", "[ssh.gate]", *site)
    fingerprint = next(word for word in shown.stderr.split() if word.startswith("SHA256:"))
    assert call("nodes", "trust", "[ssh.gate]", "--fingerprint", fingerprint, *site).return_value == 0
    assert "no such section" in str(call("nodes", "trust", "[ssh.nobody]", *site).exception)


def test_a_person_at_a_terminal_is_asked(site: list[str], tmp_path: Path) -> None:
    import subprocess

    from tests.journeys.processes import LEITSTAND

    for answer, confirmed in (b"n\n", False), (b"y\n", True):
        master, slave = pty.openpty()
        os.write(master, answer)
        command = [*LEITSTAND, "nodes", "trust", "ge-bue-0001", *site]
        done = subprocess.run(command, stdin=slave, capture_output=True, text=True, timeout=60, check=False)
        os.close(slave)
        os.close(master)
        assert "Is it the same?" in done.stderr
        assert (done.returncode == 0) == confirmed
        assert (tmp_path / "store" / "known_hosts").exists() == confirmed
