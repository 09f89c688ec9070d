"""From an inventory id to a login: which profile, which jump host, and the sentences where there is none."""

from __future__ import annotations

from pathlib import Path

import pytest

from console.config import Config, SshProfile
from console.errors import ConfigError
from console.node_access import NodeAccess
from device_drivers.errors import Unsupported
from local_store.records import Node

NODES = {
    "plain": Node("plain", "Mast", "10.0.0.1", "mesh"),
    "old": Node("old", "Mast", "10.0.0.2", "mesh", profile="old"),
    "other": Node("other", "Mast", "10.0.0.3", "mesh", vendor="Nobody"),
}


def access(tmp_path: Path, **profiles: SshProfile) -> NodeAccess:
    return NodeAccess(Config(ssh=profiles), tmp_path / "etc", tmp_path / "store", NODES.get, lambda *_: None)


def test_a_node_logs_in_by_its_own_profile_else_by_default(tmp_path: Path) -> None:
    made = access(
        tmp_path,
        default=SshProfile(key_file="key", jump="gate"),
        old=SshProfile(user="admin", port=2222, agent=True, known_hosts="theirs"),
        gate=SshProfile(agent=True, host="gate.example", user="hop"),
    )
    plain, old = made.target(NODES["plain"]), made.target(NODES["old"])
    assert (plain.user, plain.host, plain.port) == ("root", "10.0.0.1", 22)
    assert plain.key_file == tmp_path / "etc" / "key"
    assert plain.known_hosts == tmp_path / "store" / "known_hosts"
    assert plain.jump is not None
    assert (plain.jump.host, plain.jump.user) == ("gate.example", "hop")
    assert (old.user, old.port, old.jump) == ("admin", 2222, None)
    assert old.known_hosts == tmp_path / "etc" / "theirs"


def test_what_is_missing_is_said(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="no node nobody"), access(tmp_path)("nobody"):
        pass
    with pytest.raises(ConfigError, match=r"no \[ssh\.default\]"), access(tmp_path)("plain"):
        pass
    with pytest.raises(Unsupported, match="no SSH driver for 'Nobody'"):  # noqa: SIM117
        with access(tmp_path, default=SshProfile(agent=True))("other"):
            pass
