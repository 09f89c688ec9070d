"""A broker that does what a test tells it to: answers, refuses, breaks the protocol, goes silent."""

from __future__ import annotations

import socket
import struct
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Self

from device_drivers.api import BrokerTarget

WAIT_S = 10.0


def counted(body: bytes) -> bytes:
    """The body behind its length as a variable byte integer (MQTT 5.0 section 1.5.5)."""
    length, head = len(body), bytearray()
    while True:
        head.append(length & 0x7F | (0x80 if length > 0x7F else 0))
        length >>= 7
        if not length:
            return bytes(head) + body


def packet(first: int, body: bytes) -> bytes:
    """A packet of MQTT with its remaining length."""
    return bytes([first]) + counted(body)


def publish(topic: str, payload: bytes, mid: int = 0, *, v5: bool = True, flags: int = 0, more: bytes = b"") -> bytes:
    """PUBLISH with QoS 1 when there is a packet id, else QoS 0; `more` are properties."""
    raw = topic.encode()
    body = struct.pack(">H", len(raw)) + raw + (struct.pack(">H", mid) if mid else b"")
    return packet(0x30 | (2 if mid else 0) | flags, body + (counted(more) if v5 else b"") + payload)


@dataclass(slots=True)
class Peer:
    """The broker's end of one connection."""

    sock: socket.socket
    rest: bytes = b""
    v5: bool = True

    def read(self) -> tuple[int, bytes]:
        """One packet: its type and body; (0, b'') at the end. All here are shorter than 128 bytes or acks.

        A ping is answered at once.
        """
        while True:
            if len(self.rest) >= 2 and len(self.rest) >= 2 + self.rest[1]:
                end = 2 + self.rest[1]
                first, body, self.rest = self.rest[0] & 0xF0, self.rest[2:end], self.rest[end:]
                if first != 0xC0:
                    return first, body
                self.sock.sendall(b"\xd0\0")
                continue
            piece = self.sock.recv(65536)
            if not piece:
                return 0, b""
            self.rest += piece

    def greet(self, *, session_present: bool = False) -> None:
        """Read CONNECT, accept, read SUBSCRIBE, accept."""
        _, connect = self.read()
        self.v5 = connect[6] == 5
        self.sock.sendall(packet(0x20, bytes([session_present, 0]) + (b"\0" if self.v5 else b"")))
        _, subscribe = self.read()
        self.sock.sendall(packet(0x90, subscribe[:2] + (b"\0" if self.v5 else b"") + b"\1"))


Script = Callable[[Peer], None]


@dataclass(slots=True)
class ScriptedBroker:
    """Plays one script per connection, the last one again and again; each connection ends with its script."""

    scripts: list[Script]
    failures: list[BaseException] = field(default_factory=list)
    connections: int = 0
    _listener: socket.socket = field(default_factory=lambda: socket.create_server(("127.0.0.1", 0)))
    _thread: threading.Thread | None = None

    def __enter__(self) -> Self:
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        assert self._thread is not None
        self._thread.join(WAIT_S)
        assert not self._thread.is_alive()
        assert not self.failures

    def target(self, **more: int) -> BrokerTarget:
        return BrokerTarget("scripted", "127.0.0.1", self._listener.getsockname()[1], "leitstand-test", **more)  # type: ignore[arg-type]

    def _serve(self) -> None:
        while True:
            try:
                sock, _ = self._listener.accept()
            except OSError:
                return
            script = self.scripts[min(self.connections, len(self.scripts) - 1)]
            self.connections += 1
            with sock:
                sock.settimeout(WAIT_S)
                try:
                    script(Peer(sock))
                except ConnectionError:
                    continue  # the client left first
                except (AssertionError, OSError) as error:
                    self.failures.append(error)
