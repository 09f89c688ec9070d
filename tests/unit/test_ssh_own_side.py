"""Logging in over SSH when something is wrong on our own side: that is a refusal, with the reason."""

from __future__ import annotations

import os
import socket
import threading
from dataclasses import replace
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed448 import Ed448PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from device_drivers import ssh
from device_drivers.errors import Refused, Unreachable
from device_drivers.host_names import first_address

TARGET = ssh.SshTarget("n", "127.0.0.1", Path("/nonexistent/known_hosts"), use_agent=True)


def test_a_key_of_a_kind_nobody_speaks(tmp_path: Path) -> None:
    pem = Ed448PrivateKey.generate().private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    (tmp_path / "key").write_bytes(pem)
    with pytest.raises(Refused, match="the key file key cannot be used"):
        ssh.load_key(TARGET, tmp_path / "key")


@pytest.mark.parametrize("host", ["a..b", "x" * 64 + ".example", "a\0b"])
def test_an_address_that_is_none_is_a_node_out_of_reach(host: str) -> None:
    with pytest.raises(Unreachable):
        ssh.host_key(replace(TARGET, host=host))
    assert first_address(host) is None


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")  # paramiko leaves its socket open
@pytest.mark.parametrize("answer", [b"", b"\0\0\0\0", b"\0\0\0\x01\x05"])
def test_an_agent_that_is_none(tmp_path: Path, answer: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(tmp_path / "agent"))
        server.listen()

        def serve() -> None:
            there, _ = server.accept()
            with there:
                there.recv(100)
                there.sendall(answer)

        thread = threading.Thread(target=serve)
        thread.start()
        monkeypatch.setitem(os.environ, "SSH_AUTH_SOCK", str(tmp_path / "agent"))
        with pytest.raises(Refused, match="the SSH agent does not answer"):
            ssh.open_agent("n")
        thread.join()
