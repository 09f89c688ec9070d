"""The shell driver against OpenSSH and dropbear: trust, commands, uploads that go on after a break."""

from __future__ import annotations

import hashlib
import io
import random
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from device_drivers import known_hosts, ssh
from device_drivers.errors import Garbled, Refused, Unreachable
from tests.peers.sshd import Sshd, dropbear, free_port, openssh

IMAGE = random.Random(1).randbytes(2_000_000)
IMAGE_SHA = hashlib.sha256(IMAGE).hexdigest()


@pytest.fixture(params=["openssh", "dropbear"])
def server(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Sshd]:
    start = openssh if request.param == "openssh" else dropbear
    with start(tmp_path / "server") as sshd:
        yield sshd


def target_of(server: Sshd, tmp_path: Path, **other: object) -> ssh.SshTarget:
    options: dict[str, object] = {"key_file": server.key_file, "user": server.user, **other}
    return ssh.SshTarget("ge-bue-0001", "127.0.0.1", tmp_path / "known", server.port, **options)  # type: ignore[arg-type]


def trusted(server: Sshd, tmp_path: Path, **other: object) -> ssh.SshTarget:
    target = target_of(server, tmp_path, **other)
    known_hosts.confirm(target.known_hosts, target.host, target.port, ssh.host_key(target))
    return target


def test_nothing_is_sent_before_the_fingerprint_is_confirmed(server: Sshd, tmp_path: Path) -> None:
    target = target_of(server, tmp_path)
    with pytest.raises(known_hosts.HostKeyUnknown, match="SHA256:") as refused, ssh.connect(target):
        pass
    known_hosts.confirm(target.known_hosts, target.host, target.port, refused.value.key)
    assert target.known_hosts.stat().st_mode & 0o777 == 0o600
    with ssh.connect(target) as shell:
        assert shell.run("true").exit_status == 0


def test_a_changed_key_is_refused_with_both_fingerprints(server: Sshd, tmp_path: Path) -> None:
    other = known_hosts.HostKey("ssh-ed25519", "AAAAC3NzaC1lZDI1NTE5AAAAIDk5OTk5OTk5OTk5OTk5OTk5OTk5OTk5OTk5OTk5OTk5")
    target = target_of(server, tmp_path)
    known_hosts.confirm(target.known_hosts, target.host, target.port, other)
    with pytest.raises(known_hosts.HostKeyChanged) as refused, ssh.connect(target):
        pass
    assert refused.value.confirmed == other
    assert refused.value.shown == ssh.host_key(target_of(server, tmp_path / "elsewhere"))
    assert known_hosts.forget(target.known_hosts, target.host, target.port) == 1


def test_commands_give_exit_code_and_both_streams_and_are_logged(server: Sshd, tmp_path: Path) -> None:
    calls: list[str] = []
    with ssh.connect(trusted(server, tmp_path), calls.append) as shell:
        ran = shell.run("cat; echo no >&2; exit 3", stdin=b"hello")
        large = shell.run("head -c 300000 /dev/zero")
    assert (ran.exit_status, ran.stdout, ran.stderr.strip()) == (3, b"hello", b"no")
    assert len(large.stdout) == 300_000
    assert calls[0] == "cat; echo no >&2; exit 3"


def test_a_command_that_does_not_read_its_input_still_says_how_it_ended(server: Sshd, tmp_path: Path) -> None:
    with ssh.connect(trusted(server, tmp_path)) as shell:
        ran = shell.run("echo no; exit 7", stdin=bytes(8_000_000))
    assert (ran.exit_status, ran.stdout) == (7, b"no\n")


def test_an_upload_goes_on_where_it_broke_off(server: Sshd, tmp_path: Path) -> None:
    path = server.directory / "image bin"
    where = f"{path}" if server.user != "root" else f"/tmp/{path.parent.parent.name}.bin"
    Path(where + ".part").write_bytes(IMAGE[:700_000])
    seen: list[tuple[int, int]] = []
    with ssh.connect(trusted(server, tmp_path)) as shell:
        shell.upload(io.BytesIO(IMAGE), len(IMAGE), IMAGE_SHA, where, lambda at, size: seen.append((at, size)))
    assert Path(where).read_bytes() == IMAGE
    assert seen[0][0] == 700_000 + ssh.SEND_BLOCK
    assert seen[-1] == (len(IMAGE), len(IMAGE))
    Path(where).unlink()


def test_a_wrong_hash_leaves_nothing_behind(server: Sshd, tmp_path: Path) -> None:
    where = f"/tmp/{tmp_path.name}-{server.port}.bin"
    with ssh.connect(trusted(server, tmp_path)) as shell, pytest.raises(Garbled, match="expected 0000"):
        shell.upload(io.BytesIO(b"x" * 100), 100, "0" * 64, where)
    assert not Path(where).exists()
    assert not Path(where + ".part").exists()


def test_a_wrong_key_is_refused_by_name(server: Sshd, tmp_path: Path) -> None:
    with openssh(tmp_path / "other") as stranger, pytest.raises(Refused, match="key file"):  # noqa: SIM117
        with ssh.connect(trusted(server, tmp_path, key_file=stranger.key_file)):
            pass


def test_a_dying_connection_leaves_the_outcome_open(server: Sshd, tmp_path: Path) -> None:
    with ssh.connect(trusted(server, tmp_path)) as shell:
        assert shell.run("kill -9 $PPID; sleep 60", timeout_s=20).exit_status is None


def test_a_command_that_hangs_is_unreachable_not_endless(server: Sshd, tmp_path: Path) -> None:
    with ssh.connect(trusted(server, tmp_path)) as shell, pytest.raises(Unreachable, match=r"within 0\.5 s"):
        shell.run("exec sleep 60", timeout_s=0.5)


def test_a_jump_host_carries_the_connection_and_both_keys_are_checked(tmp_path: Path) -> None:
    with openssh(tmp_path / "gate") as gate, openssh(tmp_path / "inner") as inner:
        jump = trusted(gate, tmp_path)
        with ssh.connect(trusted(inner, tmp_path, jump=jump)) as shell:
            assert shell.run("echo there").stdout == b"there\n"


def test_silence_and_strangers_have_their_own_errors(tmp_path: Path) -> None:
    target = ssh.SshTarget("ge-bue-0001", "127.0.0.1", tmp_path / "known", free_port(), timeout_s=2)
    with pytest.raises(Unreachable, match="refused"):
        ssh.host_key(target)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        quiet = ssh.SshTarget("n", "127.0.0.1", tmp_path / "known", silent.getsockname()[1], timeout_s=0.5)
        with pytest.raises(Unreachable, match="handshake"):
            ssh.host_key(quiet)


def test_no_secret_is_shown_by_repr(tmp_path: Path) -> None:
    target = ssh.SshTarget("n", "h", tmp_path, password="hunter2", passphrase="hunter3")
    assert "hunter" not in repr(target)
