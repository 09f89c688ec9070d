"""Recorded SNMP packets, made by pysnmp's encoder and by ours, and ways to damage them."""

from __future__ import annotations

import contextlib
import random
from collections.abc import Callable, Sequence
from typing import Any

from pyasn1.codec.ber import encoder
from pysnmp.proto import rfc1902, rfc1905
from pysnmp.proto.api import v2c

from device_drivers.api import SnmpCredentials
from device_drivers.snmp_ber import OCTETS, SEQUENCE, BerError, tlv, wrap
from device_drivers.snmp_codec import GET, GETBULK, RESPONSE, bind, community_message, pdu, value_tlv
from device_drivers.snmp_keys import NO_KEYS, local_keys
from device_drivers.snmp_v3 import AUTH, PRIV, REPORTABLE, seal

Node = list[Any]
"""[tag, bytes or list of nodes]"""

ENGINE = b"\x80\x00\x1f\x88\x04recorded"
TAGS = (*(2, 4, 5, 6, 0x30), *range(0x40, 0x48), 0x80, 0x81, 0x82, 0x24, *range(0xA0, 0xA9), 1)
COUNTER: tuple[int, ...] = (1, 3, 6, 1, 2, 1, 31, 1, 1, 1, 6, 300_000)
ADDRESS: tuple[int, ...] = (1, 3, 6, 1, 2, 1, 4, 20, 1, 1, 127, 0, 0, 1)
NAME: tuple[int, ...] = (1, 3, 6, 1, 2, 1, 1, 5, 0)
RESPONSES: list[list[tuple[tuple[int, ...], Any]]] = [
    [(NAME, rfc1902.OctetString("ge-bue")), ((1, 3, 6, 1, 2, 1, 1, 3, 0), rfc1902.TimeTicks(2**31 + 5))],
    [(COUNTER, rfc1902.Counter64(2**63 + 7)), ((1, 3, 6, 1, 2, 1, 2, 2, 1, 10, 1), rfc1902.Counter32(2**32 - 1))],
    [(ADDRESS, rfc1902.IpAddress("127.0.0.1")), (NAME, rfc1902.ObjectIdentifier((1, 3, 6, 1, 4, 1, 8072)))],
    [(NAME, rfc1902.Gauge32(1000)), (NAME, rfc1902.Integer32(-5)), (NAME, rfc1902.Opaque(b"\x9f\x78\x04abcd"))],
    [(NAME, rfc1905.noSuchObject), (NAME, rfc1905.endOfMibView), (NAME, rfc1905.noSuchInstance)],
    [((1, 3, 6, 1, 2, 1, 1, 1, 0), rfc1902.OctetString("d" * 200))],
]


def of_pysnmp(make: Callable[[], Any], binds: Sequence[tuple[tuple[int, ...], Any]], repetitions: int = 0) -> bytes:
    """A v2c message as pysnmp writes it."""
    made = make()
    api = v2c.apiBulkPDU if repetitions else v2c.apiPDU
    api.set_defaults(made)
    if repetitions:
        v2c.apiBulkPDU.set_max_repetitions(made, repetitions)
    api.set_varbinds(made, binds)
    message = v2c.Message()
    v2c.apiMessage.set_defaults(message)
    v2c.apiMessage.set_community(message, "public")
    v2c.apiMessage.set_pdu(message, made)
    return bytes(encoder.encode(message))


def recorded() -> list[bytes]:
    """Community messages of all kinds."""
    null = v2c.Null("")
    theirs = [
        of_pysnmp(v2c.GetRequestPDU, [(NAME, null)]),
        of_pysnmp(v2c.GetNextRequestPDU, [(NAME[:-1], null)]),
        of_pysnmp(v2c.GetBulkRequestPDU, [(COUNTER[:-1], null)], 20),
        of_pysnmp(v2c.SetRequestPDU, [(NAME, rfc1902.OctetString("x"))]),
        *(of_pysnmp(v2c.ResponsePDU, binds) for binds in RESPONSES),
    ]
    cells = [bind((*COUNTER[:-1], row), value_tlv(0x46, 10**row)) for row in range(1, 6)]
    ours = [
        pdu(GETBULK, 1 << 25, 0, 9, [bind(NAME, b"\x05\x00")]),
        pdu(RESPONSE, -7, 0, 0, cells),
        pdu(GET, 5, 0, 0, []),
    ]
    return theirs + [community_message(1, b"public", one) for one in ours]


def recorded_v3() -> list[bytes]:
    """SNMPv3 messages of every level, as ours writes them; snmpd and pysnmp read the same ones elsewhere."""
    user = SnmpCredentials("3", "", "reader", "sha1", "authenticate", "aes128", "keep-private")
    keys = local_keys(user, ENGINE)
    request = pdu(GETBULK, 1 << 25, 0, 9, [bind(NAME, b"\x05\x00"), bind(COUNTER, b"\x05\x00")])
    return [
        seal(pdu(GET, 1 << 25, 0, 0, []), 1 << 25, REPORTABLE, (b"", 0, 0), b"", NO_KEYS, b""),
        seal(request, 77, REPORTABLE, (ENGINE, 3, 2**31 - 1), b"reader", NO_KEYS, b""),
        seal(request, 1 << 30, AUTH | REPORTABLE, (ENGINE, 300, 70_000), b"reader", keys, b""),
        seal(request, 1 << 30, AUTH | PRIV, (ENGINE, 2, 128), b"reader", keys, b"saltsalt"),
    ]


def damage(raw: bytes, rng: random.Random) -> bytes:
    """Change, drop, insert bytes or cut the end: lengths no longer fit."""
    changed = bytearray(raw)
    for _ in range(rng.choice((1, 1, 2, 3))):
        if not changed:
            break
        at = rng.randrange(len(changed))
        kind = rng.randrange(5)
        if kind == 0:
            changed[at] = rng.getrandbits(8)
        elif kind == 1:
            changed[at] ^= 1 << rng.randrange(8)
        elif kind == 2:
            del changed[at]
        elif kind == 3:
            changed.insert(at, rng.getrandbits(8))
        else:
            del changed[at:]
    return bytes(changed)


def reshape(raw: bytes, rng: random.Random) -> bytes:
    """Change one value, tag, length form or the order of values; all lengths around it still fit."""
    nodes = _nodes(raw, 0, len(raw))
    everything = _flat(nodes)
    one = rng.choice(everything)
    odd_length = None
    kind = rng.randrange(6)
    if kind == 0:
        one[0] = rng.choice(TAGS)
    elif kind == 1:
        odd_length = one
    elif isinstance(one[1], list):
        _reshape_list(one[1], kind, rng)
    else:
        one[1] = _other_content(one[1], rng)
    return _written(nodes, odd_length, rng)


def _reshape_list(children: list[Node], kind: int, rng: random.Random) -> None:
    if not children:
        return
    at = rng.randrange(len(children))
    if kind == 2:
        del children[at]
    elif kind == 3:
        children.insert(at, children[at])
    elif kind == 4:
        rng.shuffle(children)
    else:
        children[at] = [rng.choice(TAGS), rng.randbytes(rng.randrange(12))]


def _other_content(content: bytes, rng: random.Random) -> bytes:
    return rng.choice(
        (
            rng.randbytes(rng.randrange(11)),
            bytes(rng.randrange(5)) + content,
            b"\xff" * rng.randrange(5) + content,
            content + rng.randbytes(2),
            content[1:],
            b"\x80" + content,
            bytes((*content[:-1], rng.getrandbits(8))),
        )
    )


def _nodes(raw: bytes, at: int, end: int) -> list[Node]:
    found: list[Node] = []
    while at < end:
        tag, start, at = tlv(raw, at, end)
        content: bytes | list[Node] = raw[start:at]
        # The security parameters of v3 are a SEQUENCE inside an OCTET STRING; what is encrypted may look like one.
        if tag == SEQUENCE or tag >= 0xA0 or (tag == OCTETS and raw[start : start + 1] == b"\x30"):
            with contextlib.suppress(BerError):
                content = _nodes(raw, start, at)
        found.append([tag, content])
    return found


def _flat(nodes: list[Node]) -> list[Node]:
    return [one for node in nodes for one in (node, *(_flat(node[1]) if isinstance(node[1], list) else ()))]


def _written(nodes: list[Node], odd_length: Node | None, rng: random.Random) -> bytes:
    out = b""
    for node in nodes:
        body = node[1] if isinstance(node[1], bytes) else _written(node[1], odd_length, rng)
        if node is odd_length:
            size = rng.choice((2, 3, 4, 5))
            out += bytes((node[0], 0x80 | size)) + len(body).to_bytes(size, "big") + body
        else:
            out += wrap(node[0], body)
    return out
