"""A wire between this process and one node that is slow, or breaks after so many bytes. Changes nothing that passes."""

from __future__ import annotations

import contextlib
import queue
import socket
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field

BLOCK, UNDER_WAY = 65_536, 64


@dataclass(slots=True)
class Wire:
    """Where to connect to instead of the node, and how bad the wire is right now."""

    far: tuple[str, int]
    near: socket.socket
    delay_ms: int = 0
    """In each direction."""
    break_after: int | None = None
    """Bytes towards the node, over all connections, after which they all break."""
    sent: int = 0
    ends: list[socket.socket] = field(default_factory=list)
    threads: list[threading.Thread] = field(default_factory=list)

    @property
    def port(self) -> int:
        """On loopback."""
        return int(self.near.getsockname()[1])

    def start(self, *arguments: object) -> None:
        """Run `_accept` or one half of a connection beside everything else."""
        thread = threading.Thread(target=arguments[0], args=(self, *arguments[1:]), daemon=True)  # type: ignore[arg-type]
        self.threads.append(thread)
        thread.start()

    def cut(self) -> None:
        """Break every connection there is now, not one that is made because of it."""
        for end in tuple(self.ends):
            with contextlib.suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)


@contextlib.contextmanager
def proxy(host: str, port: int = 22, delay_ms: int = 0, break_after: int | None = None) -> Iterator[Wire]:
    """A wire to `host`, on a loopback port of its own."""
    wire = Wire((host, port), socket.create_server(("127.0.0.1", 0)), delay_ms, break_after)
    wire.start(_accept)
    try:
        yield wire
    finally:
        # Closing alone does not wake a thread that waits in accept().
        wire.near.shutdown(socket.SHUT_RDWR)
        wire.near.close()
        wire.cut()
        for thread in wire.threads:
            thread.join(10)
        for end in wire.ends:
            end.close()


def _accept(wire: Wire) -> None:
    with contextlib.suppress(OSError):
        while True:
            near = wire.near.accept()[0]
            wire.ends.append(near)
            try:
                far = socket.create_connection(wire.far, timeout=10)
            except OSError:
                near.shutdown(socket.SHUT_RDWR)
                continue
            far.settimeout(None)
            wire.ends.append(far)
            for source, sink, counts in ((near, far, True), (far, near, False)):
                sink.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                under_way: queue.Queue[tuple[float, bytes]] = queue.Queue(UNDER_WAY)
                wire.start(_take, source, under_way, counts)
                wire.start(_give, sink, under_way)


def _take(wire: Wire, source: socket.socket, under_way: queue.Queue[tuple[float, bytes]], counts: bool) -> None:
    """Read on while earlier blocks are still under way: delay, not a lower rate."""
    with contextlib.suppress(OSError):
        while block := source.recv(BLOCK):
            wire.sent += len(block) if counts else 0
            if wire.break_after is not None and wire.sent > wire.break_after:
                wire.cut()
                break
            under_way.put((time.monotonic() + wire.delay_ms / 1000, block))
    under_way.put((0.0, b""))


def _give(wire: Wire, sink: socket.socket, under_way: queue.Queue[tuple[float, bytes]]) -> None:
    block = b"first"
    while block:
        at, block = under_way.get()
        time.sleep(max(0.0, at - time.monotonic()))
        with contextlib.suppress(OSError):
            if block:
                sink.sendall(block)
            else:
                sink.shutdown(socket.SHUT_WR)
