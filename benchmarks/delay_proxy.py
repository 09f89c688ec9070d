"""A TCP relay on loopback that holds every byte back for half a round trip, in a process of its own."""

from __future__ import annotations

import contextlib
import multiprocessing
import select
import socket
import threading
import time
from collections import deque
from collections.abc import Iterator
from multiprocessing.connection import Connection

BLOCK = 1 << 18
HELD = 32 << 20


class Way:
    """One direction of one connection."""

    def __init__(self, source: socket.socket, sink: socket.socket, delay_s: float) -> None:
        self.source, self.sink, self.delay_s = source, sink, delay_s
        self.queue: deque[tuple[float, memoryview]] = deque()
        self.held = 0
        self.open = True

    def step(self) -> float:
        """Move what is due; seconds until the next block is."""
        now = time.monotonic()
        while self.queue and self.queue[0][0] <= now:
            at, block = self.queue[0]
            try:
                sent = self.sink.send(block) if block else 0
            except BlockingIOError:
                return 0.0005
            if not block:
                with contextlib.suppress(OSError):
                    self.sink.shutdown(socket.SHUT_WR)
            self.held -= sent
            self.queue.popleft()
            if sent < len(block):
                self.queue.appendleft((at, block[sent:]))
                return 0.0005
        return max(0.0, self.queue[0][0] - now) if self.queue else 1.0

    def take(self) -> None:
        """Read what arrived, and note when it may go on."""
        block = self.source.recv(BLOCK)
        self.open = bool(block)
        self.held += len(block)
        self.queue.append((time.monotonic() + self.delay_s, memoryview(block)))


def _pump(client: socket.socket, port: int, delay_s: float) -> None:
    server = socket.create_connection(("127.0.0.1", port))
    for sock in (client, server):
        sock.setblocking(False)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    ways = [Way(client, server, delay_s), Way(server, client, delay_s)]
    with contextlib.suppress(OSError), client, server:
        while any(way.open or way.queue for way in ways):
            wait = min(way.step() for way in ways)
            readers = {way.source: way for way in ways if way.open and way.held < HELD}
            ready, _, _ = select.select(list(readers), (), (), wait)
            for sock in ready:
                readers[sock].take()


def _serve(port: int, delay_s: float, tell: Connection) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        tell.send(listening.getsockname()[1])
        while True:
            client, _ = listening.accept()
            threading.Thread(target=_pump, args=(client, port, delay_s), daemon=True).start()


@contextlib.contextmanager
def delayed(port: int, round_trip_ms: float) -> Iterator[int]:
    """A port that leads to `port` on loopback, `round_trip_ms` away; the port itself for 0."""
    if round_trip_ms == 0:
        yield port
        return
    ours, theirs = multiprocessing.Pipe()
    process = multiprocessing.Process(target=_serve, args=(port, round_trip_ms / 2000, theirs), daemon=True)
    process.start()
    try:
        yield int(ours.recv())
    finally:
        process.terminate()
        process.join()
