"""What a frame says of a message is what the long way says of it, whoever sent it and whatever happened to it."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from hypothesis import given
from hypothesis import strategies as st

from device_drivers.api import SnmpCredentials
from device_drivers.snmp_ber import INTEGER, OCTETS, BerError, integer_tlv
from device_drivers.snmp_codec import RESPONSE, V2C, Head, bind, community_message, pdu, value_tlv
from device_drivers.snmp_frame import Recognizer, answers, identify, scoped_pdus
from device_drivers.snmp_keys import local_keys
from device_drivers.snmp_v3 import Message, level_of, open_scoped, parse, scoped_head, seal

ENGINES = (b"\x80\x00\x1f\x88\x04frames", b"\x80\x00\x1f\x88\x04others", b"\x80\x00\x1f\x88\x04longer one")
RIGHTS = SnmpCredentials("3", "", "reader", "sha256", "authenticate-me", "aes128", "keep-it-private")
Read = TypeVar("Read")

ids = st.integers(1 << 24, (1 << 31) - 1)
seconds = st.integers(0, (1 << 31) - 1)
texts = st.binary(max_size=20)
starts = st.tuples(st.sampled_from(ENGINES), st.one_of(st.integers(0, 300), st.integers(0, (1 << 31) - 1)))


def plain(number: int, position: int, text: bytes) -> bytes:
    return pdu(RESPONSE, number, 0, position, [bind((1, 3, 6, 1), value_tlv(OCTETS, text))])


def sealed(number: int, start: tuple[bytes, int], time_s: int, text: bytes) -> bytes:
    engine, salt = (*start, time_s), time_s.to_bytes(8, "big")
    keys = local_keys(RIGHTS, start[0])
    return seal(plain(number, 0, text), number, level_of(RIGHTS), engine, b"reader", keys, salt)


def outcome(read: Callable[[bytes], object], buf: bytes) -> object:
    """What is read, or that it was refused."""
    try:
        return read(buf)
    except BerError:
        return BerError


def damaged(draw: Callable[[st.SearchStrategy[int]], int], whole: bytes) -> bytes:
    raw = bytearray(whole)
    for _ in range(draw(st.integers(0, 3))):
        raw[draw(st.integers(0, len(raw) - 1))] = draw(st.integers(0, 255))
    return bytes(raw)


def agree(recognize: Recognizer[Read], read: Callable[[bytes], Read], buf: bytes) -> None:
    """Twice: the first reading may be what the second compares with."""
    for _ in range(2):
        assert outcome(recognize, buf) == outcome(read, buf)


@given(st.lists(st.tuples(ids, seconds, texts), min_size=2, max_size=4), st.data())
def test_community_messages(said: list[tuple[int, int, bytes]], data: st.DataObject) -> None:
    recognize = answers()
    for number, position, text in said:
        whole = community_message(V2C, b"public", plain(number, position, text))
        agree(recognize, identify, whole)
        agree(recognize, identify, damaged(data.draw, whole))


@given(st.lists(st.tuples(ids, starts, seconds, texts), min_size=2, max_size=6), st.data())
def test_encrypted_messages_of_several_nodes_and_what_is_inside(
    said: list[tuple[int, tuple[bytes, int], int, bytes]], data: st.DataObject
) -> None:
    recognize, inside = answers(), scoped_pdus()
    for number, start, time_s, text in said:
        whole = sealed(number, start, time_s, text)
        agree(recognize, identify, whole)
        agree(recognize, identify, damaged(data.draw, whole))
        scoped, _ = open_scoped(whole, parse(whole), local_keys(RIGHTS, start[0]))
        agree(inside, scoped_head, scoped)
        agree(inside, scoped_head, damaged(data.draw, scoped + bytes(data.draw(st.integers(0, 9)))))


def test_only_the_request_id_is_read_as_one() -> None:
    """An error-index of the same value as the id must not be taken for it."""
    recognize, number = answers(), 1 << 25
    for position in (number, number + 1):
        whole = community_message(V2C, b"public", plain(number, position, b""))
        agree(recognize, identify, whole)
    assert integer_tlv(number) == bytes((INTEGER, 4)) + number.to_bytes(4, "big")


def test_a_node_never_heard_before_is_read_by_the_frames_of_the_others() -> None:
    taken_apart: list[bytes] = []

    def read(buf: bytes) -> Message | Head:
        taken_apart.append(buf)
        return identify(buf)

    recognize = answers(read)
    for number, engine in enumerate(ENGINES[:2]):
        whole = sealed(1 << 25, (engine, 1), 1_000 + number, b"same")
        assert recognize(whole) == identify(whole)
    assert len(taken_apart) == 1
