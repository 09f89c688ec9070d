"""A real OpenSSH or dropbear on loopback with a throw-away host key and one client key."""

from __future__ import annotations

import contextlib
import os
import pwd
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from tests.conftest import missing_peer, require_peer

WAIT_S = 15


@dataclass(slots=True)
class Sshd:
    """Where it listens, whose login it takes, and its files."""

    port: int
    user: str
    key_file: Path
    directory: Path
    process: subprocess.Popen[bytes]

    def stop(self) -> None:
        """End the server and wait for it."""
        self.process.terminate()
        self.process.wait(WAIT_S)


def free_port() -> int:
    """A TCP port nobody listens on right now."""
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return int(sock.getsockname()[1])


def _keygen(path: Path, kind: str = "ed25519") -> None:
    command = [require_peer("ssh-keygen"), "-q", "-t", kind, "-N", "", "-f", str(path)]
    subprocess.run(command, check=True, stdin=subprocess.DEVNULL)


def _wait_for(port: int, process: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + WAIT_S
    while time.monotonic() < deadline:
        assert process.poll() is None, f"the server ended with {process.returncode}"
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
            return
    raise AssertionError("the server does not listen")


@contextlib.contextmanager
def openssh(directory: Path, port: int | None = None, host_kind: str = "ed25519") -> Iterator[Sshd]:
    """Debian's OpenSSH server for the current user, key login only."""
    program = require_peer("sshd")
    port = port or free_port()
    directory.mkdir(parents=True, exist_ok=True)
    host, client = directory / f"host_{host_kind}", directory / "client"
    for path, kind in ((host, host_kind), (client, "ed25519")):
        if not path.exists():
            _keygen(path, kind)
    shutil.copy(client.with_suffix(".pub"), directory / "authorized")
    config = directory / "sshd_config"
    config.write_text(
        f"ListenAddress 127.0.0.1:{port}\nHostKey {host}\nAuthorizedKeysFile {directory / 'authorized'}\n"
        "StrictModes no\nUsePAM no\nPasswordAuthentication no\nPermitRootLogin prohibit-password\n"
        f"PidFile none\nMaxStartups 100\nMaxSessions 100\nSubsystem sftp internal-sftp\n"
    )
    if os.getuid() == 0:
        Path("/run/sshd").mkdir(exist_ok=True)
    process = subprocess.Popen([program, "-D", "-e", "-f", str(config)], stderr=subprocess.DEVNULL)
    sshd = Sshd(port, pwd.getpwuid(os.getuid()).pw_name, client, directory, process)
    try:
        _wait_for(port, process)
        yield sshd
    finally:
        sshd.stop()


@contextlib.contextmanager
def dropbear(directory: Path, window: int | None = None) -> Iterator[Sshd]:
    """Debian's dropbear, as small nodes run it. It reads ~/.ssh of the login, so it gets a home of its own
    in a private mount namespace; that needs root."""
    program, keygen, unshare = require_peer("dropbear"), require_peer("dropbearkey"), require_peer("unshare")
    if os.getuid() != 0:
        missing_peer("root for dropbear's home directory")
    port = free_port()
    ssh = directory / ".ssh"
    ssh.mkdir(parents=True)
    subprocess.run([keygen, "-t", "ed25519", "-f", str(directory / "host")], check=True, capture_output=True)
    _keygen(directory / "client")
    shutil.copy(directory / "client.pub", ssh / "authorized_keys")
    for path, mode in ((directory, 0o700), (ssh, 0o700), (ssh / "authorized_keys", 0o600)):
        path.chmod(mode)
    size = f"-W {window}" if window else ""
    serve = f"exec {program} -F -E -s -r host -p 127.0.0.1:{port} -P none.pid {size}"
    command = [unshare, "-m", "sh", "-c", f'cd "{directory}" && mount --bind . "$HOME" && cd "$HOME" && {serve}']
    home = pwd.getpwuid(0).pw_dir
    process = subprocess.Popen(command, stderr=subprocess.DEVNULL, env={**os.environ, "HOME": home})
    server = Sshd(port, "root", directory / "client", directory, process)
    try:
        _wait_for(port, process)
        yield server
    finally:
        server.stop()
