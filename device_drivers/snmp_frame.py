"""Recognizes messages whose outside looks like an earlier one's, at the price of a comparison. No I/O.

What a frame says is what `identify` and `snmp_v3.scoped_head` would say of the same bytes: everything that is no hole
is equal to the message they took apart, and the holes are read as they read them. So it does not matter whose frame
it is: one serves all nodes, because what differs from node to node lies in holes. A message that fits none is simply
taken apart.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise
from struct import Struct
from typing import Final, Generic, Protocol, TypeVar

from device_drivers.snmp_ber import INTEGER, OCTETS, SEQUENCE, BerError, expect, tlv
from device_drivers.snmp_codec import MAX_INT, V2C, V3, Head, pdu_head, version_at
from device_drivers.snmp_v3 import MAX_BOOTS, Message, parse_from, scoped_head

MOST_FRAMES: Final = 4096
MOST_ALIKE: Final = 4
"""Frames for messages of one size: engine ids and user names of different lengths can make up for each other."""
_ID_BYTES: Final = 4
Spans = Sequence[tuple[int, int]]
Found_co = TypeVar("Found_co", covariant=True)


class Frame(Protocol[Found_co]):
    """The outside of messages of one size."""

    def read(self, buf: bytes) -> Found_co | None:
        """What a message of this size says; None if it does not fit."""


class Recognizer(Generic[Found_co]):
    """Reads what looks like an earlier message by comparison, the rest the long way."""

    __slots__ = ("_frame", "_frames", "_held", "_read")

    def __init__(
        self, read: Callable[[bytes], Found_co], frame: Callable[[bytes, Found_co], Frame[Found_co] | None]
    ) -> None:
        self._read = read
        self._frame = frame
        self._frames: dict[int, list[Frame[Found_co]]] = {}
        self._held = 0

    def __call__(self, buf: bytes) -> Found_co:
        """What the message says; BerError when it is none."""
        for frame in self._frames.get(len(buf), ()):
            found = frame.read(buf)
            if found is not None:
                return found
        found = self._read(buf)
        fresh = self._frame(buf, found)
        if fresh is not None:
            self._keep(len(buf), fresh)
        return found

    def _keep(self, size: int, frame: Frame[Found_co]) -> None:
        if self._held >= MOST_FRAMES:
            self._frames.clear()
            self._held = 0
        alike = self._frames.setdefault(size, [])
        if len(alike) < MOST_ALIKE:
            self._held += 1
        else:
            del alike[0]
        alike.append(frame)


def answers(read: Callable[[bytes], Message | Head] | None = None) -> Recognizer[Message | Head]:
    """For what agents send; `read` is the long way."""
    return Recognizer(read or identify, _answer_frame)


def scoped_pdus() -> Recognizer[Head]:
    """For what is inside agents' SNMPv3 messages, once decrypted."""
    return Recognizer(scoped_head, _scoped_frame)


def identify(raw: bytes) -> Message | Head:
    """What pairs an answer with its request: msgID in v3, request-id before. The rest is not read yet."""
    version, at, end = version_at(raw)
    if version == V3:
        return parse_from(raw, at, end)
    if version != V2C:
        raise BerError(f"version {version} where 1 (SNMPv2c) or 3 belongs")
    _, at = expect(raw, at, end, OCTETS)
    return pdu_head(raw, at, end)


@dataclass(frozen=True, slots=True)
class _Outside:
    """`cut` yields what has to stay and the holes in between, alternating; `fixed` is what has to stay."""

    cut: Callable[[bytes], tuple[bytes, ...]]
    fixed: tuple[bytes, ...]


@dataclass(frozen=True, slots=True)
class _HeadFrame:
    """A community message or a scoped PDU up to its bindings; the request id is its last hole."""

    outside: _Outside
    head: Head

    def read(self, buf: bytes) -> Head | None:
        parts = self.outside.cut(buf)
        if parts[::2] != self.outside.fixed:
            return None
        kind, _, status, position, first, last = self.head
        return Head(kind, _signed(parts[-2]), status, position, first, last)


@dataclass(frozen=True, slots=True)
class _MessageFrame:
    """An SNMPv3 message; its holes are id, engine id, boots, time, digest, salt and what is encrypted."""

    outside: _Outside
    message: Message

    def read(self, buf: bytes) -> Message | None:
        parts = self.outside.cut(buf)
        if parts[::2] != self.outside.fixed:
            return None
        number, engine_id, started, time, digest, salt, sealed = parts[1::2]
        msg_id, boots, time_s = _signed(number), _signed(started), _signed(time)
        if not (0 <= msg_id <= MAX_INT and 0 <= boots <= MAX_BOOTS and 0 <= time_s <= MAX_BOOTS):
            return None
        _, flags, _, _, _, user, _, digest_at, _, scoped_at, end, _ = self.message
        return Message(msg_id, flags, engine_id, boots, time_s, user, digest, digest_at, salt, scoped_at, end, sealed)


def _signed(number: bytes) -> int:
    return int.from_bytes(number, "big", signed=True)


def _outside(buf: bytes, holes: Spans, end: int) -> _Outside:
    marks = [0, *[mark for hole in holes for mark in hole], end]
    cut = _cutter(tuple([stop - start for start, stop in pairwise(marks)]))
    return _Outside(cut, cut(buf)[::2])


@lru_cache(maxsize=4096)
def _cutter(sizes: tuple[int, ...]) -> Callable[[bytes], tuple[bytes, ...]]:
    return Struct("".join([f"{size}s" for size in sizes])).unpack_from


def _answer_frame(buf: bytes, found: Message | Head) -> Frame[Message | Head] | None:
    _, at, end = version_at(buf)
    if isinstance(found, Message):
        return _message_frame(buf, at, end, found)
    _, at = expect(buf, at, end, OCTETS)
    return _head_frame(buf, at, [], found)


def _scoped_frame(buf: bytes, head: Head) -> Frame[Head] | None:
    at, end = expect(buf, 0, len(buf), SEQUENCE)
    engine_id = expect(buf, at, end, OCTETS)
    _, at = expect(buf, engine_id[1], end, OCTETS)
    return _head_frame(buf, at, [engine_id], head)


def _head_frame(buf: bytes, at: int, holes: Spans, head: Head) -> _HeadFrame | None:
    """From the PDU at this place; None when its request id is not of four bytes, as ours are."""
    _, at, end = tlv(buf, at, len(buf))
    number = expect(buf, at, end, INTEGER)
    if number[1] - number[0] != _ID_BYTES:
        return None
    return _HeadFrame(_outside(buf, [*holes, number], head.first), head)


def _message_frame(buf: bytes, at: int, end: int, message: Message) -> _MessageFrame | None:
    """From the message that goes on here behind its version; None for one that is not encrypted."""
    if message.sealed is None:
        return None
    first, at = expect(buf, at, end, SEQUENCE)
    number = expect(buf, first, at, INTEGER)
    first, security_end = expect(buf, at, end, OCTETS)
    first, _ = expect(buf, first, security_end, SEQUENCE)
    engine_id = expect(buf, first, security_end, OCTETS)
    boots = expect(buf, engine_id[1], security_end, INTEGER)
    time = expect(buf, boots[1], security_end, INTEGER)
    _, at = expect(buf, time[1], security_end, OCTETS)
    digest = expect(buf, at, security_end, OCTETS)
    salt = expect(buf, digest[1], security_end, OCTETS)
    sealed = expect(buf, security_end, end, OCTETS)
    known = message._replace(engine_id=b"", digest=b"", salt=b"", sealed=b"")
    return _MessageFrame(_outside(buf, [number, engine_id, boots, time, digest, salt, sealed], end), known)
