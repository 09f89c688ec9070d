"""Debian's snmpd on loopback with its own configuration, users and persistent directory."""

from __future__ import annotations

import contextlib
import os
import socket
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from device_drivers.snmp_codec import V2C, community_message, get
from device_drivers.snmp_oids import SYS_UPTIME
from tests.conftest import require_peer

WAIT_S = 15
COMMUNITY = "leitstand-test"
AUTH_PASSWORD = "authenticate-me"
PRIV_PASSWORD = "keep-it-private"
USERS = {
    "md5des": ("MD5", "DES"),
    "sha1aes": ("SHA", "AES"),
    "sha256aes": ("SHA-256", "AES"),
    "sha512aes256": ("SHA-512", "AES-256"),
    "sha224aes192": ("SHA-224", "AES-192"),
    "sha384only": ("SHA-384", ""),
}


@dataclass(slots=True)
class Snmpd:
    """A running agent."""

    port: int
    directory: Path
    process: subprocess.Popen[bytes]

    def stop(self) -> None:
        """End it and wait."""
        self.process.terminate()
        self.process.wait(WAIT_S)


def free_udp_port() -> int:
    """A UDP port nobody listens on right now."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.bind(("127.0.0.1", 0))
        return int(sock.getsockname()[1])


@contextlib.contextmanager
def snmpd(directory: Path, port: int | None = None) -> Iterator[Snmpd]:
    """Start it and wait until it answers. Started again in the same directory it keeps its engine id."""
    program = require_peer("snmpd")
    directory.mkdir(parents=True, exist_ok=True)
    config = directory / "snmpd.conf"
    port = port or free_udp_port()
    if not config.exists():
        lines = [f"rocommunity {COMMUNITY} 127.0.0.1", "sysName peer", "master no"]
        for user, (auth, priv) in USERS.items():
            sealed = f" {priv} {PRIV_PASSWORD}" if priv else ""
            lines += [
                f"createUser {user} {auth} {AUTH_PASSWORD}{sealed}",
                f"rouser {user} {'priv' if priv else 'auth'}",
            ]
        lines += [f"createUser writer SHA {AUTH_PASSWORD} AES {PRIV_PASSWORD}", "rwuser writer priv"]
        config.write_text("\n".join(lines) + "\n")
    state = directory / "state"
    with (directory / "log").open("ab") as log:
        process = subprocess.Popen(
            [program, "-f", "-Le", "-r", "-I", "-smux", f"udp:127.0.0.1:{port}"],
            env={**os.environ, "SNMPCONFPATH": f"{directory}:{state}", "SNMP_PERSISTENT_DIR": str(state)},
            stderr=log,
        )
    agent = Snmpd(port, directory, process)
    try:
        _wait(port, process)
        yield agent
    finally:
        agent.stop()


def _wait(port: int, process: subprocess.Popen[bytes]) -> None:
    """Ask for sysUpTime in v2c until something comes back."""
    probe = community_message(V2C, COMMUNITY.encode(), get(1 << 24, [SYS_UPTIME]))
    deadline = time.monotonic() + WAIT_S
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.settimeout(0.1)
        while time.monotonic() < deadline:
            assert process.poll() is None, "snmpd ended; see its log"
            with contextlib.suppress(OSError):
                sock.sendto(probe, ("127.0.0.1", port))
                if sock.recv(2000):
                    return
    raise AssertionError("snmpd does not answer")
