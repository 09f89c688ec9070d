"""The few MQTT packets a small broker reads and writes, versions 3.1.1 and 5.0 (OASIS). Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

CONNECT, CONNACK, PUBLISH, PUBACK, SUBSCRIBE, SUBACK = 1, 2, 3, 4, 8, 9
UNSUBSCRIBE, UNSUBACK, PINGREQ, PINGRESP, DISCONNECT = 10, 11, 12, 13, 14
SESSION_EXPIRY: Final = 0x11
RECEIVE_MAXIMUM: Final = 0x21
_ONE_BYTE = frozenset({0x01, 0x17, 0x19, 0x24, 0x25, 0x28, 0x29, 0x2A})
_TWO_BYTES = frozenset({0x13, 0x21, 0x22, 0x23})
_FOUR_BYTES = frozenset({0x02, 0x11, 0x18, 0x27})


class PacketError(ValueError):
    """A client broke the protocol; the connection is to be closed."""


@dataclass(frozen=True, slots=True)
class Connect:
    """What CONNECT says, as far as the broker cares."""

    version: int
    client_id: str
    clean: bool
    keepalive_s: int
    session_expiry_s: int
    receive_maximum: int


@dataclass(frozen=True, slots=True)
class Publish:
    """An application message on its way."""

    topic: str
    payload: bytes
    qos: int
    packet_id: int


class Cursor:
    """Reads a packet's body front to back; running over its end is a PacketError."""

    def __init__(self, body: bytes) -> None:
        self._body = body
        self._at = 0

    def take(self, size: int) -> bytes:
        """The next `size` bytes."""
        if self._at + size > len(self._body):
            raise PacketError("packet ends too early")
        self._at += size
        return self._body[self._at - size : self._at]

    def number(self, size: int) -> int:
        """An unsigned number of `size` bytes."""
        return int.from_bytes(self.take(size), "big")

    def text(self) -> str:
        """A length-prefixed UTF-8 string."""
        try:
            return self.take(self.number(2)).decode("utf-8")
        except UnicodeDecodeError as error:
            raise PacketError("text that is not UTF-8") from error

    def varint(self) -> int:
        """A variable byte integer (MQTT 5.0 section 1.5.5)."""
        value = 0
        for shift in (0, 7, 14, 21):
            byte = self.number(1)
            value |= (byte & 0x7F) << shift
            if byte < 0x80:
                return value
        raise PacketError("a length of more than four bytes")

    def rest(self) -> bytes:
        """Everything that is left."""
        return self.take(len(self._body) - self._at)

    def done(self) -> bool:
        """Whether everything was read."""
        return self._at == len(self._body)

    def properties(self) -> dict[int, int]:
        """Read a property block; only numbers are kept."""
        inner = Cursor(self.take(self.varint()))
        found: dict[int, int] = {}
        while not inner.done():
            name = inner.varint()
            if name in _ONE_BYTE:
                found[name] = inner.number(1)
            elif name in _TWO_BYTES:
                found[name] = inner.number(2)
            elif name in _FOUR_BYTES:
                found[name] = inner.number(4)
            elif name == 0x0B:
                found[name] = inner.varint()
            elif name == 0x26:
                inner.text()
                inner.text()
            else:
                inner.take(inner.number(2))
        return found


def varint(value: int) -> bytes:
    """Encode a variable byte integer."""
    out = bytearray()
    while True:
        value, byte = value >> 7, value & 0x7F
        out.append(byte | (0x80 if value else 0))
        if not value:
            return bytes(out)


def packet(kind: int, flags: int, body: bytes) -> bytes:
    """Fixed header and body."""
    return bytes((kind << 4 | flags,)) + varint(len(body)) + body


def text(value: str) -> bytes:
    """A length-prefixed UTF-8 string."""
    raw = value.encode()
    return len(raw).to_bytes(2, "big") + raw


def read_connect(body: bytes) -> Connect:
    """Take CONNECT apart; will, user and password are read over, loopback knows no users."""
    cursor = Cursor(body)
    if cursor.text() != "MQTT":
        raise PacketError("not MQTT")
    version = cursor.number(1)
    flags = cursor.number(1)
    keepalive_s = cursor.number(2)
    properties = cursor.properties() if version == 5 else {}
    client_id = cursor.text()
    clean = bool(flags & 0x02)
    expiry = properties.get(SESSION_EXPIRY, 0) if version == 5 else (0 if clean else 0xFFFFFFFF)
    return Connect(version, client_id, clean, keepalive_s, expiry, properties.get(RECEIVE_MAXIMUM, 65_535))


def read_publish(flags: int, body: bytes, version: int) -> Publish:
    """Take PUBLISH apart."""
    cursor = Cursor(body)
    topic = cursor.text()
    qos = flags >> 1 & 3
    packet_id = cursor.number(2) if qos else 0
    if version == 5:
        cursor.properties()
    if not topic or "+" in topic or "#" in topic:
        raise PacketError("a topic to publish to holds no wildcard")
    return Publish(topic, cursor.rest(), qos, packet_id)


def publish(message: Publish, version: int, duplicate: bool = False) -> bytes:
    """Write PUBLISH for one subscriber."""
    flags = (0x08 if duplicate else 0) | message.qos << 1
    head = text(message.topic) + (message.packet_id.to_bytes(2, "big") if message.qos else b"")
    return packet(PUBLISH, flags, head + (b"\0" if version == 5 else b"") + message.payload)


def read_filters(body: bytes, version: int, with_options: bool) -> tuple[int, list[tuple[str, int]]]:
    """Packet id and (topic filter, QoS) of SUBSCRIBE, or with QoS 0 of UNSUBSCRIBE."""
    cursor = Cursor(body)
    packet_id = cursor.number(2)
    if version == 5:
        cursor.properties()
    filters: list[tuple[str, int]] = []
    while not cursor.done():
        topic = cursor.text()
        filters.append((topic, cursor.number(1) & 3 if with_options else 0))
    return packet_id, filters


def matches(topic_filter: str, topic: str) -> bool:
    """MQTT 5.0 section 4.7: + is one level, # the rest; neither at the first level reaches $-topics."""
    wanted, found = topic_filter.split("/"), topic.split("/")
    if topic.startswith("$") and wanted[0] in ("+", "#"):
        return False
    for at, level in enumerate(wanted):
        if level == "#":
            return True
        if at >= len(found) or level not in ("+", found[at]):
            return False
    return len(wanted) == len(found)
