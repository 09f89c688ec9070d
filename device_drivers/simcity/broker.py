"""A broker for the simulated city on loopback: mosquitto where it is installed, otherwise our own small one."""

from __future__ import annotations

import contextlib
import os
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from device_drivers.simcity import mqtt_broker

START_S: Final = 10.0
CONFIGURATION: Final = """listener {port} 127.0.0.1
allow_anonymous true
persistence false
max_queued_messages 100000
max_inflight_messages 0
log_type error
"""
GUARDED: Final = 'exec 3<&0 </dev/null; { read -r _ <&3; kill "$$"; } & exec "$0" -c "$1" 3<&-'
"""A shell that becomes the broker, beside a watcher that ends it when our end of its input closes, also by kill -9."""


def program() -> str | None:
    """Where mosquitto is; Debian puts it where a user's PATH does not look."""
    return shutil.which("mosquitto", path=os.pathsep.join((os.environ.get("PATH", ""), "/usr/sbin", "/sbin")))


@contextlib.contextmanager
def running(directory: Path, port: int = 0, embedded: bool = False) -> Iterator[tuple[str, int]]:
    """Start a broker and stop it at the end; yields its name and port."""
    path = None if embedded else program()
    if path is None:
        with mqtt_broker.running(port) as broker:
            yield "embedded", broker.port
        return
    port = port or _free_port()
    config = directory / "mosquitto.conf"
    config.write_text(CONFIGURATION.format(port=port), encoding="utf-8")
    with (directory / "mosquitto.log").open("wb") as log:
        command = ["/bin/sh", "-c", GUARDED, path, str(config)]
        process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=log, stderr=log)  # noqa: S603 - found on PATH
    try:
        _wait(port, process)
        yield "mosquitto", port
    finally:
        assert process.stdin is not None
        process.stdin.close()
        process.wait(START_S)


def _free_port() -> int:
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return int(sock.getsockname()[1])


def _wait(port: int, process: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + START_S
    while time.monotonic() < deadline:
        if process.poll() is not None:
            raise OSError(f"mosquitto ended at once with {process.returncode}; its log lies beside its configuration")
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
            return
        time.sleep(0.02)
    raise OSError(f"mosquitto does not listen on port {port}")
