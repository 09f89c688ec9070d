"""A node that takes a channel and then says nothing more: whoever asked it goes on."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from pathlib import Path

import paramiko
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from device_drivers import known_hosts, ssh
from device_drivers.errors import Unreachable

LIMIT_S = 0.3


class Mute(paramiko.ServerInterface):
    """Lets everybody in, opens every channel, and answers no request in it."""

    def __init__(self, over: threading.Event) -> None:
        self._over = over

    def check_auth_password(self, username: str, password: str) -> int:
        return paramiko.AUTH_SUCCESSFUL

    def get_allowed_auths(self, username: str) -> str:
        return "password"

    def check_channel_request(self, kind: str, chanid: int) -> int:
        return paramiko.OPEN_SUCCEEDED

    def check_channel_exec_request(self, channel: paramiko.Channel, command: bytes) -> bool:
        self._over.wait(60)
        return False


@pytest.fixture
def mute(tmp_path: Path) -> Iterator[ssh.SshTarget]:
    key = tmp_path / "host"
    key.write_bytes(Ed25519PrivateKey.generate().private_bytes(Encoding.PEM, PrivateFormat.OpenSSH, NoEncryption()))
    host_key = paramiko.Ed25519Key.from_private_key_file(str(key))
    over = threading.Event()
    with socket.create_server(("127.0.0.1", 0)) as listening:
        port = listening.getsockname()[1]
        known_hosts.confirm(tmp_path / "known", "127.0.0.1", port, known_hosts.of_paramiko(host_key))
        served: list[paramiko.Transport] = []

        def serve() -> None:
            transport = paramiko.Transport(listening.accept()[0])
            transport.add_server_key(host_key)
            transport.start_server(server=Mute(over))
            served.append(transport)

        thread = threading.Thread(target=serve)
        thread.start()
        yield ssh.SshTarget("mute", "127.0.0.1", tmp_path / "known", port, password="x", timeout_s=LIMIT_S + 5)
        over.set()
        thread.join()
        served[0].close()


@pytest.mark.timeout(30)
def test_a_command_whose_start_is_never_confirmed_ends_in_its_time(mute: ssh.SshTarget) -> None:
    with ssh.connect(mute) as shell, pytest.raises(Unreachable, match=r"no end of `true` within 0\.3 s"):
        shell.run("true", timeout_s=LIMIT_S)
