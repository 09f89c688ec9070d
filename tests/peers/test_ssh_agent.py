"""Logging in with a real ssh-agent, directly and through a jump host, and what the doctor says about it."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from console import doctor_ssh
from console.config import Config, SshProfile
from device_drivers import known_hosts, ssh
from device_drivers.errors import Refused
from local_store.records import Node
from tests.conftest import require_peer
from tests.journeys.processes import until
from tests.peers.sshd import Sshd, free_port, openssh


@pytest.fixture
def agent(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A running agent without keys, as this process's own."""
    socket = tmp_path / "agent.sock"
    process = subprocess.Popen([require_peer("ssh-agent"), "-D", "-a", str(socket)], stdout=subprocess.DEVNULL)
    until(socket.exists, "the agent listens")
    monkeypatch.setenv("SSH_AUTH_SOCK", str(socket))
    yield socket
    process.terminate()
    process.wait(10)


def add(server: Sshd) -> None:
    subprocess.run([require_peer("ssh-add"), "-q", str(server.key_file)], check=True, env=dict(os.environ), timeout=20)


def target(server: Sshd, tmp_path: Path, jump: ssh.SshTarget | None = None) -> ssh.SshTarget:
    """By the agent only, its host key confirmed."""
    made = ssh.SshTarget(
        "ge-bue-0001", "127.0.0.1", tmp_path / "known", server.port, server.user, use_agent=True, jump=jump
    )
    known_hosts.confirm(made.known_hosts, made.host, made.port, ssh.host_key(made))
    return made


@pytest.mark.usefixtures("agent")
def test_a_key_only_the_agent_holds_logs_in_here_and_behind_a_jump_host(tmp_path: Path) -> None:
    with openssh(tmp_path / "gate") as gate, openssh(tmp_path / "inner") as inner:
        jump = target(gate, tmp_path)
        with pytest.raises(Refused, match="no key, no password"), ssh.connect(jump):
            pass
        add(gate)
        with ssh.connect(jump) as shell:
            assert shell.run("echo there").stdout == b"there\n"
        add(inner)  # the agent offers the gate's key first: a refused one must not end the login
        with ssh.connect(target(inner, tmp_path, jump)) as shell:
            assert shell.run("echo inside").stdout == b"inside\n"


@pytest.mark.usefixtures("agent")
def test_the_doctor_tells_first_contact_login_silence_and_a_stranger_apart(tmp_path: Path) -> None:
    with openssh(tmp_path / "server") as server:
        ways = {
            "default": SshProfile(user=server.user, port=server.port, agent=True),
            "silent": SshProfile(user=server.user, port=free_port(), agent=True),
            "nobody": SshProfile(user="nobody-at-all", port=server.port, agent=True),
        }
        config = Config(ssh=ways)
        known = [
            Node("a", "a", "127.0.0.1", "mesh", vendor="OpenWrt"),
            Node("b", "b", "127.0.0.1", "mesh", profile="silent"),
            Node("c", "c", "127.0.0.1", "mesh", profile="nobody"),
            Node("d", "d", "127.0.0.1", "mesh", vendor="Cambium"),
        ]

        def looked() -> list[tuple[str, str]]:
            found = list(doctor_ssh.logins(config, tmp_path, tmp_path, known))
            assert all(one.advice for one in found if one.verdict != "ok")
            return sorted((one.subject, one.verdict) for one in found)

        assert [one.verdict for one in doctor_ssh.profiles(config, tmp_path)] == ["problem"] * 3, "an empty agent"
        assert looked() == [("", "ok"), ("a", "warning"), ("b", "warning"), ("c", "warning")]
        add(server)
        target_ = ssh.SshTarget("a", "127.0.0.1", tmp_path / "known_hosts", server.port)
        known_hosts.confirm(target_.known_hosts, target_.host, target_.port, ssh.host_key(target_))
        assert [one.verdict for one in doctor_ssh.profiles(config, tmp_path)] == ["ok"] * 3
        assert looked() == [("", "ok"), ("a", "ok"), ("b", "warning"), ("c", "problem")]


def test_each_thing_wrong_with_a_key_file_is_said(tmp_path: Path) -> None:
    keygen = require_peer("ssh-keygen")
    for name, passphrase in (("plain", ""), ("locked", "secret words")):
        command = [keygen, "-q", "-t", "ed25519", "-N", passphrase, "-f", str(tmp_path / name)]
        subprocess.run(command, check=True, timeout=20)
    (tmp_path / "open").write_bytes((tmp_path / "plain").read_bytes())
    (tmp_path / "open").chmod(0o644)
    names = ("plain", "locked", "open", "missing")
    config = Config(ssh={**{name: SshProfile(key_file=name) for name in names}, "nothing": SshProfile()})
    found = {one.subject: one for one in doctor_ssh.profiles(config, tmp_path)}
    assert {name: one.verdict for name, one in found.items()} == {
        "plain": "ok", "locked": "problem", "open": "problem", "missing": "problem", "nothing": "problem",
    }  # fmt: skip
    assert found["open"].advice == f"chmod 600 {tmp_path / 'open'}"
    assert "passphrase" in found["locked"].advice
    assert "ssh-keygen" in found["missing"].advice
