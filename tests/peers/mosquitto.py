"""A mosquitto of our own: own configuration, free port, can be killed and started again."""

from __future__ import annotations

import os
import socket
import subprocess
import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from time import monotonic
from typing import Any

from paho.mqtt import publish

from device_drivers.api import BrokerTarget
from tests.conftest import require_peer
from tests.peers.certificates import Certificates

READY_WITHIN_S = 10.0


@dataclass(slots=True)
class Mosquitto:
    """One broker process. `persistent` decides whether sessions survive `stop` and `start`."""

    directory: Path
    port: int
    persistent: bool = True
    tls: Certificates | None = None
    client_certificates: bool = False
    users: dict[str, str] = field(default_factory=dict)
    _process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start and wait until it answers."""
        path = self.directory / "mosquitto.conf"
        path.write_text("\n".join(self._lines()) + "\n")
        program = require_peer("mosquitto")
        with (self.directory / "mosquitto.log").open("ab") as log:
            self._process = subprocess.Popen([program, "-c", str(path)], stdout=log, stderr=log)
        deadline = monotonic() + READY_WITHIN_S
        while monotonic() < deadline and self._process.poll() is None:
            try:
                socket.create_connection(("127.0.0.1", self.port), 1).close()
            except OSError:
                threading.Event().wait(0.02)
            else:
                return
        raise AssertionError("mosquitto did not start: " + (self.directory / "mosquitto.log").read_text())

    def stop(self, *, kill: bool = False) -> None:
        """End it, at once or so that it writes its sessions down first."""
        if self._process is not None:
            if kill:
                self._process.kill()
            else:
                self._process.terminate()
            self._process.wait(10)
            self._process = None

    def _lines(self) -> Iterator[str]:
        yield f"listener {self.port} 127.0.0.1"
        yield f"allow_anonymous {'false' if self.users else 'true'}"
        yield "max_inflight_messages 0"
        yield "max_queued_messages 0"
        yield "set_tcp_nodelay true"
        if os.getuid() == 0:
            yield "user root"
        if self.persistent:
            yield "persistence true"
            yield f"persistence_location {self.directory}/"
        if self.users:
            yield f"password_file {self._passwords()}"
        if self.tls is not None:
            yield f"cafile {self.tls.ca}"
            yield f"certfile {self.tls.server}"
            yield f"keyfile {self.tls.server_key}"
            yield f"require_certificate {'true' if self.client_certificates else 'false'}"

    def _passwords(self) -> Path:
        path = self.directory / "passwords"
        path.write_text("".join(f"{user}:{password}\n" for user, password in self.users.items()))
        subprocess.run([require_peer("mosquitto_passwd"), "-U", str(path)], check=True, capture_output=True)
        path.chmod(0o600)
        return path

    def target(self, client_id: str = "leitstand-test", **more: Any) -> BrokerTarget:
        """How our driver reaches it."""
        return BrokerTarget("mosquitto", "127.0.0.1", self.port, client_id, **more)

    def publish(self, messages: Iterable[tuple[str, bytes]], qos: int = 1, *, retain: bool = False) -> None:
        """Publish in order and wait until the broker has confirmed each."""
        wanted: list[Any] = [(topic, payload, qos, retain) for topic, payload in messages]
        tls: Any = None
        if self.tls is not None:
            tls = {"ca_certs": self.tls.ca, "certfile": self.tls.client, "keyfile": self.tls.client_key}
        auth: Any = next(({"username": u, "password": p} for u, p in self.users.items()), None)
        publish.multiple(wanted, "127.0.0.1", self.port, auth=auth, tls=tls)


@contextmanager
def running(directory: Path, **options: Any) -> Iterator[Mosquitto]:
    """A mosquitto in `directory` on a free port, gone afterwards."""
    directory.mkdir(parents=True, exist_ok=True)
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    broker = Mosquitto(directory, port, **options)
    broker.start()
    try:
        yield broker
    finally:
        broker.stop(kill=True)
