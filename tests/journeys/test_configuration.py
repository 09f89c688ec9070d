"""Configurations from the first backup to a push, a rule and the way back, over SSH to simulated nodes."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from console import compose, configuration
from console.cli.main import root
from console.clock import now_ms
from console.config import load
from console.errors import ConfigError
from device_drivers.simcity.openwrt import VirtualNode
from local_store.db import Store
from local_store.keys import store_key
from local_store.nodes import upsert_nodes
from local_store.records import Node
from tests.contracts.shell_city import make, shell_city
from tests.json_table import promised

TEMPLATE = """
[variables.mesh_key]
secret = true
[values]
mesh_key = { file = "mesh-key" }
[uci.wireless.mesh0]
key = "{{ mesh_key }}"
[uci.wireless.radio0]
channel = 100
"""
RULES = """
[[rule]]
id = "channel"
path = "wireless.*.channel"
type = "wifi-device"
one_of = ["100", "104"]
title = "Outdoor channels only"
"""


@dataclass(frozen=True, slots=True)
class Place:
    """A configuration, its store and the nodes behind it."""

    directory: Path
    nodes: tuple[VirtualNode, ...]

    def call(self, *words: str) -> tuple[int, list[Any], str]:
        arguments = ["--config", str(self.directory / "leitstand.toml"), *words]
        done = CliRunner().invoke(root, arguments, standalone_mode=False)
        if done.exception is not None:
            raise done.exception
        found = [json.loads(line) for line in done.stdout.splitlines()] if "--json" in words else []
        return int(done.return_value or 0), found, done.output


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Place]:
    with shell_city(tmp_path, [make(1), make(2)]) as city:
        port = city.targets[0].port
        (tmp_path / "templates/rules").mkdir(parents=True)
        (tmp_path / "leitstand.toml").write_text(
            f'[store]\ndirectory = "store"\nkey = "file"\n[ssh.default]\nport = {port}\nkey_file = "ssh-key"\n'
            f'known_hosts = "{tmp_path}/known_hosts"\n[configuration]\ndirectory = "templates"\n'
        )
        store = Store(tmp_path / "store", store_key(tmp_path / "store", "file").raw)
        inventory = [
            Node(one.make.node_id, one.make.node_id, target.host, "mesh" if at else "gateway", vendor="openwrt",
                 uplink=city.nodes[0].make.node_id if at else "")
            for at, (one, target) in enumerate(zip(city.nodes, city.targets, strict=True))
        ]  # fmt: skip
        store.ops.write(lambda cx: upsert_nodes(cx, inventory, 1))
        store.close()
        yield Place(tmp_path, city.nodes)


def test_from_backup_to_push_and_back(place: Place) -> None:
    one, two = (node.make.node_id for node in place.nodes)
    code, found, _ = place.call("config", "backup", "--all", "--json")
    assert (code, [row["new"] for row in found]) == (0, [True, True])
    (place.directory / "templates/global.toml").write_text(TEMPLATE)
    (place.directory / "templates/rules/radio.toml").write_text(RULES)
    with pytest.raises(ConfigError, match=r"global.toml, line 5: .*mesh-key"):
        place.call("config", "drift")
    (place.directory / "mesh-key").write_text("streng-geheim\n")
    (place.directory / "mesh-key").chmod(0o600)

    code, found, text = place.call("config", "drift", "--json")
    assert (code, {row["verdict"] for row in found}) == (1, {"pending"})
    assert "geheim" not in text
    code, _, text = place.call("config", "render", one)
    assert "wireless.mesh0.key = ***" in text
    code, found, _ = place.call("config", "check", two, "--json")
    assert (code, found[0]["rule_id"], found[0]["found"]) == (1, "channel", "36")

    assert place.call("config", "push", one, two, "--dry-run")[0] == 1
    assert _channel(place, 0) == "36"
    code, found, text = _pushed(place, "config", "push", one, two, "--yes", "--wait")
    assert code == 0, text
    assert "+\toption channel '100'" in text
    assert "+\toption key '*** (changed)'" in text
    assert "geheim" not in text
    assert [_channel(place, at) for at in (0, 1)] == ["100", "100"]
    assert b"streng-geheim" in place.nodes[0].files["/etc/config/wireless"]
    assert place.call("config", "drift", "--json")[0] == 0
    assert place.call("config", "check")[0] == 0
    assert place.call("config", "push", one, "--yes")[2].strip().endswith("there is nothing to push")

    code, found, _ = place.call("config", "history", one, "--json")
    assert [row["cause"] for row in found] == ["after_push", "asked"]
    code, found, text = place.call("config", "diff", one, "--json")
    assert code == 1
    assert "+\toption channel '100'" in found[0]["lines"]
    assert "geheim" not in text
    assert "geheim" not in place.call("config", "show", one)[2]
    code, found, text = _pushed(place, "config", "revert", one, "--yes", "--wait", "--json")
    assert code == 0, text
    shown, queued, steps = promised("config revert")
    assert [set(row) for row in found] == [shown, queued, *([steps] * (len(found) - 2))]
    assert len(found) > 2
    assert _channel(place, 0) == "36"
    code, found, _ = place.call("config", "drift", one, "--json")
    assert found[0]["verdict"] == "pending"
    _exceptions(place, one)


def _exceptions(place: Place, node: str) -> None:
    assert place.call("config", "check", node)[0] == 1
    _code, found, _ = place.call("config", "exception", "add", node, "channel", "--reason", "test", "--json")
    number = found[0]["exception"]
    assert place.call("config", "check", node)[0] == 0
    assert place.call("config", "exception", "list", "--json")[1][0]["rule_id"] == "channel"
    place.call("config", "exception", "end", str(number))
    assert place.call("config", "check", node)[0] == 1


def _channel(place: Place, at: int) -> str:
    ran = place.nodes[at].uci.run(["get", "wireless.radio0.channel"])
    return ran.stdout.decode().strip()


def _pushed(place: Place, *words: str) -> tuple[int, list[Any], str]:
    """The command while the engine's configuration service runs."""
    file = place.directory / "leitstand.toml"
    config = load(file)
    store = Store(place.directory / "store", store_key(place.directory / "store", "file").raw)
    access = compose.open_nodes(config, place.directory, store, fresh=True)
    services = {one.name: one for one in configuration.services(config, place.directory, store, access, access, now_ms)}
    stop = threading.Event()
    thread = threading.Thread(target=services["configuration"].run, args=(stop, lambda _detail: None))
    thread.start()
    try:
        return place.call(*words)
    finally:
        stop.set()
        thread.join(20)
        access.close()
        store.close()
