"""A new node from the command line: its host key, its steps, its protocol, over SSH to a simulated node."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from console.cli.main import root
from device_drivers import known_hosts
from local_store.errors import StoreRefused
from tests.contracts.shell_city import make, shell_city


def call(directory: Path, *words: str) -> tuple[int, list[Any], str]:
    done = CliRunner().invoke(root, ["--config", str(directory / "leitstand.toml"), *words], standalone_mode=False)
    if done.exception is not None:
        raise done.exception
    found = [json.loads(line) for line in done.stdout.splitlines()] if "--json" in words else []
    return int(done.return_value or 0), found, done.output


def test_a_new_node_from_contact_to_protocol(tmp_path: Path) -> None:
    with shell_city(tmp_path, [make(1)]) as city:
        host, port = city.targets[0].host, city.targets[0].port
        (tmp_path / "ssh-key.pub").write_text("ssh-ed25519 AAAA console\n")
        (tmp_path / "templates").mkdir()
        (tmp_path / "templates/global.toml").write_text("[uci.system.'@system[0]']\nhostname = '{{ node.id }}'\n")
        (tmp_path / "leitstand.toml").write_text(
            f'[store]\ndirectory = "store"\nkey = "file"\n[ssh.default]\nport = {port}\nkey_file = "ssh-key"\n'
            '[configuration]\ndirectory = "templates"\n'
        )
        key = known_hosts.confirmed(tmp_path / "known_hosts", host, port)[0].fingerprint
        start = ("provision", "start", "]C1SIM000001", "--node", "ge-neu-0001", "--address", host, "--host", host,
                 "--port", str(port), "--at", "51.5,7.1", "--json")  # fmt: skip
        code, _, text = call(tmp_path, *start[:-1], "--fingerprint", "SHA256:other")
        assert code == 1
        assert "nothing was sent to it" in text
        run_id = call(tmp_path, "provision", "status", "--json")[1][0]["run"]
        code, found, text = call(tmp_path, "provision", "resume", run_id, "--fingerprint", key, "--json")
        assert code == 0, text
        assert {one["step"]: one["state"] for one in found}["reach"] == "done"
        assert b"ge-neu-0001" in city.nodes[0].files["/etc/config/system"]
        assert b"AAAA console" in city.nodes[0].files["/etc/dropbear/authorized_keys"]
        (node,) = call(tmp_path, "nodes", "list", "--json")[1]
        assert node["node"] == "ge-neu-0001"
        assert call(tmp_path, "provision", "protocol", run_id, "--out", str(tmp_path / "p.json"))[0] == 0
        code, found, _ = call(tmp_path, "provision", "verify", str(tmp_path / "p.json"), "--json")
        assert (code, found[0]["genuine"], found[0]["own_key"]) == (0, True, True)
        text = (tmp_path / "p.json").read_text()
        (tmp_path / "q.json").write_text(text.replace("ge-neu-0001", "ge-neu-0002"))
        assert call(tmp_path, "provision", "verify", str(tmp_path / "q.json"))[0] == 1
        (tmp_path / "q.json").write_text("{}")
        assert call(tmp_path, "provision", "verify", str(tmp_path / "q.json"))[0] == 3
        with pytest.raises(StoreRefused, match="no open run"):
            call(tmp_path, "provision", "resume", run_id)
