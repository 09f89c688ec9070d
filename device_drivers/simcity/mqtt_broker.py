"""A small MQTT broker for the demo and for fault tests: 3.1.1 and 5.0, QoS 0 and 1, sessions that outlive connections.

It listens on 127.0.0.1 only and keeps everything in memory. `Faults` make it misbehave on purpose.
"""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Final

from device_drivers.simcity import mqtt_packets as packets
from device_drivers.simcity.mqtt_packets import Connect, Publish

START_S: Final = 10.0
MOST_QUEUED: Final = 100_000
LARGEST: Final = 16 << 20


@dataclass(slots=True)
class Faults:
    """What to do wrong: swallow the next acknowledgements to publishers, deliver each message twice."""

    swallow_acks: int = 0
    duplicate: bool = False


@dataclass(slots=True)
class Session:
    """What the broker remembers of a client between connections."""

    client_id: str
    filters: dict[str, int] = field(default_factory=dict)
    queued: deque[Publish] = field(default_factory=deque)
    unacked: dict[int, Publish] = field(default_factory=dict)
    next_id: int = 0
    expiry_s: int = 0
    connection: Connection | None = None

    def fresh_id(self) -> int:
        """A packet id that is not in use."""
        while True:
            self.next_id = self.next_id % 65_535 + 1
            if self.next_id not in self.unacked:
                return self.next_id


class Connection:
    """One client's connection."""

    def __init__(self, hello: Connect, writer: asyncio.StreamWriter) -> None:
        self.hello = hello
        self.writer = writer

    def deliver(self, session: Session) -> None:
        """Send what is queued as far as Receive Maximum allows."""
        while session.queued and len(session.unacked) < self.hello.receive_maximum:
            message = session.queued.popleft()
            if message.qos:
                message = Publish(message.topic, message.payload, 1, session.fresh_id())
                session.unacked[message.packet_id] = message
            self.writer.write(packets.publish(message, self.hello.version))

    def again(self, session: Session) -> None:
        """Send unacknowledged messages again after a reconnection (MQTT 5.0 section 4.4)."""
        for message in session.unacked.values():
            self.writer.write(packets.publish(message, self.hello.version, duplicate=True))


class Broker:
    """All sessions; lives in the event loop of its thread."""

    def __init__(self) -> None:
        self.port = 0
        self.faults = Faults()
        self.sessions: dict[str, Session] = {}
        self.published = 0
        self._anonymous = 0
        self._loop: asyncio.AbstractEventLoop | None = None
        self._handlers: set[asyncio.StreamWriter] = set()

    async def serve(self, port: int, ready: threading.Event, stop: asyncio.Event) -> None:
        """Listen until stopped."""
        self._loop = asyncio.get_running_loop()
        server = await asyncio.start_server(self._client, "127.0.0.1", port, limit=LARGEST)
        self.port = int(server.sockets[0].getsockname()[1])
        ready.set()
        await stop.wait()
        server.close()
        for writer in list(self._handlers):
            writer.close()
        await server.wait_closed()

    def forget_sessions(self) -> None:
        """Lose every session, as a broker without persistence does at a restart; from any thread."""
        assert self._loop is not None
        self._loop.call_soon_threadsafe(self._forget)

    def _forget(self) -> None:
        for session in list(self.sessions.values()):
            if session.connection is not None:
                session.connection.writer.close()
        self.sessions.clear()

    async def _client(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        session: Session | None = None
        connection: Connection | None = None
        self._handlers.add(writer)
        try:
            kind, _, body = await _read(reader)
            if kind != packets.CONNECT:
                return
            hello = packets.read_connect(body)
            if hello.version not in (4, 5):
                writer.write(packets.packet(packets.CONNACK, 0, b"\0\x01"))
                return
            connection = Connection(hello, writer)
            session = self._welcome(connection)
            while await self._handle(session, connection, reader):
                await writer.drain()
        except (packets.PacketError, asyncio.IncompleteReadError, ConnectionError, TimeoutError):
            pass  # the client left or broke the protocol: its session stays as long as it asked for
        finally:
            self._handlers.discard(writer)
            if session is not None and session.connection is connection:
                session.connection = None
                if not session.expiry_s:
                    self.sessions.pop(session.client_id, None)
            writer.close()

    def _welcome(self, connection: Connection) -> Session:
        hello = connection.hello
        self._anonymous += 1
        client_id = hello.client_id or f"anonymous-{self._anonymous}"
        known = self.sessions.get(client_id)
        if known is not None and known.connection is not None:
            known.connection.writer.close()  # the newer connection takes over
        present = known is not None and not hello.clean
        session = known if known is not None and present else Session(client_id)
        session.expiry_s = hello.session_expiry_s
        session.connection = connection
        self.sessions[client_id] = session
        body = bytes((present, 0)) + (b"\0" if hello.version == 5 else b"")
        connection.writer.write(packets.packet(packets.CONNACK, 0, body))
        connection.again(session)
        connection.deliver(session)
        return session

    async def _handle(self, session: Session, connection: Connection, reader: asyncio.StreamReader) -> bool:
        """One packet; False when the client says goodbye."""
        kind, flags, body = await _read(reader, connection.hello.keepalive_s)
        version, write = connection.hello.version, connection.writer.write
        if kind == packets.PUBLISH:
            self._publish(packets.read_publish(flags, body, version), connection)
        elif kind == packets.PUBACK:
            session.unacked.pop(int.from_bytes(body[:2], "big"), None)
            connection.deliver(session)
        elif kind == packets.SUBSCRIBE:
            packet_id, filters = packets.read_filters(body, version, with_options=True)
            session.filters.update((topic, min(qos, 1)) for topic, qos in filters)
            granted = bytes(min(qos, 1) for _, qos in filters)
            head = packet_id.to_bytes(2, "big") + (b"\0" if version == 5 else b"")
            write(packets.packet(packets.SUBACK, 0, head + granted))
        elif kind == packets.UNSUBSCRIBE:
            packet_id, filters = packets.read_filters(body, version, with_options=False)
            for topic, _ in filters:
                session.filters.pop(topic, None)
            head = packet_id.to_bytes(2, "big")
            write(packets.packet(packets.UNSUBACK, 0, head + (b"\0" + bytes(len(filters)) if version == 5 else b"")))
        elif kind == packets.PINGREQ:
            write(packets.packet(packets.PINGRESP, 0, b""))
        elif kind == packets.DISCONNECT:
            if version == 5 and len(body) > 1:
                wishes = packets.Cursor(body[1:]).properties()
                session.expiry_s = wishes.get(packets.SESSION_EXPIRY, session.expiry_s)
            return False
        else:
            raise packets.PacketError(f"a packet of kind {kind}")
        return True

    def _publish(self, message: Publish, connection: Connection) -> None:
        self.published += 1
        for session in self.sessions.values():
            qos = max(
                (qos for wanted, qos in session.filters.items() if packets.matches(wanted, message.topic)), default=-1
            )
            if qos < 0 or (not session.connection and not (qos and message.qos)):
                continue
            for _ in range(2 if self.faults.duplicate else 1):
                if len(session.queued) < MOST_QUEUED:
                    session.queued.append(Publish(message.topic, message.payload, min(qos, message.qos), 0))
            if session.connection is not None:
                session.connection.deliver(session)
        if message.qos == 1:
            if self.faults.swallow_acks:
                self.faults.swallow_acks -= 1
                return
            connection.writer.write(packets.packet(packets.PUBACK, 0, message.packet_id.to_bytes(2, "big")))


async def _read(reader: asyncio.StreamReader, keepalive_s: int = 0) -> tuple[int, int, bytes]:
    """One packet as (kind, flags, body); TimeoutError after one and a half keep-alives of silence."""
    async with asyncio.timeout(keepalive_s * 1.5 if keepalive_s else None):
        first = (await reader.readexactly(1))[0]
        length = 0
        for shift in (0, 7, 14, 21):
            byte = (await reader.readexactly(1))[0]
            length |= (byte & 0x7F) << shift
            if byte < 0x80:
                break
        else:
            raise packets.PacketError("a length of more than four bytes")
        if length > LARGEST:
            raise packets.PacketError("a packet beyond 16 MiB")
        return first >> 4, first & 0x0F, await reader.readexactly(length)


@contextlib.contextmanager
def running(port: int = 0) -> Iterator[Broker]:
    """A broker in a thread of its own, listening when this yields."""
    broker = Broker()
    ready = threading.Event()
    loops: list[tuple[asyncio.AbstractEventLoop, asyncio.Event]] = []

    async def main() -> None:
        stop = asyncio.Event()
        loops.append((asyncio.get_running_loop(), stop))
        await broker.serve(port, ready, stop)

    thread = threading.Thread(target=lambda: asyncio.run(main()), name="mqtt-broker", daemon=True)
    thread.start()
    if not ready.wait(START_S):
        raise OSError(f"the embedded broker cannot listen on port {port}")
    try:
        yield broker
    finally:
        loop, stop = loops[0]
        loop.call_soon_threadsafe(stop.set)
        thread.join(START_S)
