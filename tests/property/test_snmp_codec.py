"""The codec: what is encoded is decoded, and no bytes whatsoever raise anything but BerError."""

from __future__ import annotations

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from device_drivers.api import SnmpCredentials
from device_drivers.snmp_ber import (
    COUNTER32,
    COUNTER64,
    END_OF_MIB_VIEW,
    INTEGER,
    IP_ADDRESS,
    OCTETS,
    OID,
    BerError,
    oid_body,
    read_oid,
)
from device_drivers.snmp_codec import GET, Pdu, bind, community_message, parse_message, pdu, read_pdu, value_tlv
from device_drivers.snmp_keys import local_keys
from device_drivers.snmp_v3 import AUTH, PRIV, REPORTABLE, Authority, Request, WrongDigest, open_answer, parse, seal

subids = st.integers(0, 2**32 - 1)
oids = st.builds(lambda a, b, rest: (a, b, *rest), st.integers(0, 2), st.integers(0, 39), st.lists(subids, max_size=20))
values = st.one_of(
    st.tuples(st.just(INTEGER), st.integers(-(2**31), 2**31 - 1)),
    st.tuples(st.just(COUNTER32), st.integers(0, 2**32 - 1)),
    st.tuples(st.just(COUNTER64), st.integers(0, 2**64 - 1)),
    st.tuples(st.just(OCTETS), st.binary(max_size=300)),
    st.tuples(st.just(IP_ADDRESS), st.binary(min_size=4, max_size=4)),
    st.tuples(st.just(OID), oids),
    st.tuples(st.just(END_OF_MIB_VIEW), st.none()),
)
USER = SnmpCredentials("3", "", "reader", "sha256", "authenticate", "aes128", "keep-private")
ENGINE = b"\x80\x00\x1f\x88\x04test"


@given(oids)
def test_object_identifiers_round_trip(oid: tuple[int, ...]) -> None:
    assert read_oid(oid_body(oid)) == oid


@given(st.integers(1 << 24, 2**31 - 1), st.lists(st.tuples(oids, values), max_size=12), st.binary(max_size=40))
def test_messages_round_trip(number: int, binds: list[tuple[tuple[int, ...], tuple[int, object]]], name: bytes) -> None:
    encoded = [bind(oid, value_tlv(tag, value)) for oid, (tag, value) in binds]  # type: ignore[arg-type]
    got = parse_message(community_message(1, name, pdu(GET, number, 0, 0, encoded)))
    expected = tuple((oid_body(oid), tag, value) for oid, (tag, value) in binds)
    assert (got.community, got.pdu) == (name, Pdu(GET, number, 0, 0, expected))


@given(st.binary(max_size=400))
def test_noise_is_refused_with_one_error(noise: bytes) -> None:
    for decode in (parse_message, parse):
        with contextlib.suppress(BerError):
            decode(noise)


@given(st.data())
def test_a_changed_byte_is_never_believed(data: st.DataObject) -> None:
    authority = Authority(ENGINE, 3, {b"reader": USER})
    keys = local_keys(USER, ENGINE)
    request = seal(
        pdu(GET, 1 << 25, 0, 0, []), 77, AUTH | PRIV | REPORTABLE, (ENGINE, 3, 10), b"reader", keys, bytes(8)
    )
    taken = authority.take(request, 10)
    assert isinstance(taken, Request)
    answer = authority.answer(taken, 0, 0, [bind((1, 3, 6), value_tlv(INTEGER, 5))], 10)
    opened = read_pdu(*open_answer(answer, parse(answer), keys, AUTH | PRIV))
    assert opened.binds == ((oid_body((1, 3, 6)), INTEGER, 5),)
    at = data.draw(st.integers(0, len(answer) - 1))
    changed = answer[:at] + bytes((answer[at] ^ data.draw(st.integers(1, 255)),)) + answer[at + 1 :]
    with contextlib.suppress(BerError):
        message = parse(changed)
        if message.flags & AUTH and message.user == b"reader" and message.engine_id == ENGINE:
            with pytest.raises(WrongDigest):
                open_answer(changed, message, keys, AUTH | PRIV)
