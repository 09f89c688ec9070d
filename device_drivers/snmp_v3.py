"""SNMPv3 messages under the User-based Security Model (RFC 3412, RFC 3414), both ways. No I/O, no clock.

The console side seals requests with `seal` and opens answers with `open_answer`. An agent holds an `Authority`:
`Authority.take(raw)` yields either a request (its PDU and how to answer) or the bytes of a REPORT to send back.
"""

from __future__ import annotations

import hmac
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import NamedTuple

from device_drivers.api import Oid, SnmpCredentials
from device_drivers.snmp_ber import (
    COUNTER32,
    INTEGER,
    OCTETS,
    SEQUENCE,
    BerError,
    expect,
    header,
    integer,
    integer_tlv,
    octets_tlv,
    tlv,
)
from device_drivers.snmp_codec import (
    MAX_INT,
    REPORT,
    V3,
    Head,
    Pdu,
    bind,
    pdu,
    pdu_head,
    read_pdu,
    response,
    value_tlv,
    version_at,
)
from device_drivers.snmp_crypt import decrypt, digest, encrypt
from device_drivers.snmp_keys import NO_KEYS, LocalKeys, local_keys

AUTH, PRIV, REPORTABLE = 0x01, 0x02, 0x04
USM = 3
VERSION_TLV = USM_TLV = b"\x02\x01\x03"
NO_NAME = b"\x04\x00"
MAX_SIZE_TLV = integer_tlv(65_507)
MAX_PADDING = 8
"""DES needs up to 7 bytes behind the scoped PDU (RFC 3414 section 8.1.1.2); some agents add a whole block."""
TIME_WINDOW_S = 150
MAX_BOOTS = MAX_INT
MAX_USER_BYTES = 32  # RFC 3414 section 2.4
LEAST_SIZE = 484  # RFC 3412 section 6, msgMaxSize

USM_STATS: Oid = (1, 3, 6, 1, 6, 3, 15, 1, 1)
UNSUPPORTED_LEVEL, NOT_IN_TIME_WINDOW, UNKNOWN_USER, UNKNOWN_ENGINE, WRONG_DIGEST, DECRYPTION_ERROR = range(1, 7)
"""Last sub-identifier of the usmStats counter a REPORT carries (RFC 3414 section 5)."""


class Message(NamedTuple):
    """A v3 message before anybody checked it. `sealed` is the encrypted scoped PDU or None. A tuple, for its price."""

    msg_id: int
    flags: int
    engine_id: bytes
    boots: int
    time_s: int
    user: bytes
    digest: bytes
    digest_at: int
    salt: bytes
    scoped_at: int
    end: int
    sealed: bytes | None


class WrongDigest(BerError):
    """Authentic it is not: another key, or changed on the way."""


class WrongLevel(BerError):
    """The message is less protected than it has to be."""


def parse(buf: bytes) -> Message:
    """Take the message apart without believing anything; BerError when it is none."""
    version, at, end = version_at(buf)
    if version != V3:
        raise BerError("no SNMPv3 message")
    return parse_from(buf, at, end)


def parse_from(buf: bytes, at: int, end: int) -> Message:
    """The rest of a message behind its version."""
    first, head_end = expect(buf, at, end, SEQUENCE)
    msg_id, flags = _header(buf, first, head_end)
    first, security_end = expect(buf, head_end, end, OCTETS)
    engine_id, boots, time_s, user, digest_at, digest_end, salt = _security(buf, first, security_end)
    tag, first, last = tlv(buf, security_end, end)
    if last != end:
        raise BerError("something behind the scoped PDU")
    if tag not in (SEQUENCE, OCTETS):
        raise BerError(f"tag 0x{tag:02x} where the scoped PDU belongs")
    sealed = buf[first:last] if tag == OCTETS else None
    if (sealed is not None) != bool(flags & PRIV):
        raise BerError("privacy flag and scoped PDU disagree")
    found = buf[digest_at:digest_end]
    return Message(msg_id, flags, engine_id, boots, time_s, user, found, digest_at, salt, security_end, end, sealed)


def _header(buf: bytes, at: int, end: int) -> tuple[int, int]:
    first, at = expect(buf, at, end, INTEGER)
    msg_id = integer(buf, first, at)
    first, at = expect(buf, at, end, INTEGER)
    if not 0 <= msg_id <= MAX_INT or not LEAST_SIZE <= integer(buf, first, at) <= MAX_INT:
        raise BerError("message id or size out of range")
    first, at = expect(buf, at, end, OCTETS)
    if at - first != 1:
        raise BerError("message flags that are not one byte")
    flags = buf[first]
    first, at = expect(buf, at, end, INTEGER)
    if at != end:
        raise BerError("something behind the message header")
    if integer(buf, first, at) != USM:
        raise BerError("a security model other than USM")
    if flags & PRIV and not flags & AUTH:
        raise BerError("privacy without authentication")
    return msg_id, flags


def _security(buf: bytes, at: int, end: int) -> tuple[bytes, int, int, bytes, int, int, bytes]:
    at, stop = expect(buf, at, end, SEQUENCE)
    if stop != end:
        raise BerError("something behind the security parameters")
    first, at = expect(buf, at, stop, OCTETS)
    engine_id = buf[first:at]
    first, at = expect(buf, at, stop, INTEGER)
    boots = integer(buf, first, at)
    first, at = expect(buf, at, stop, INTEGER)
    time_s = integer(buf, first, at)
    if not (0 <= boots <= MAX_BOOTS and 0 <= time_s <= MAX_BOOTS):
        raise BerError("engine boots or time out of range")
    first, at = expect(buf, at, stop, OCTETS)
    user = buf[first:at]
    if len(user) > MAX_USER_BYTES:
        raise BerError("user name too long")
    digest_at, at = expect(buf, at, stop, OCTETS)
    first, last = expect(buf, at, stop, OCTETS)
    if last != stop:
        raise BerError("something behind the privacy parameters")
    return engine_id, boots, time_s, user, digest_at, at, buf[first:last]


def check_digest(buf: bytes, message: Message, keys: LocalKeys) -> None:
    """Raise WrongDigest unless the message carries the right HMAC; takes the same time either way."""
    at, size = message.digest_at, keys.digest_bytes
    if not size:
        raise WrongDigest("a digest nobody has a key for")
    if len(message.digest) != size:
        raise WrongDigest("digest of another length")
    blank = buf[:at] + bytes(size) + buf[at + size :]
    if not hmac.compare_digest(digest(keys, blank), message.digest):
        raise WrongDigest("digest does not fit")


def unsealed(buf: bytes, message: Message, keys: LocalKeys) -> bytes:
    """The scoped PDU, decrypted where needed."""
    if message.sealed is None:
        return buf[message.scoped_at : message.end]
    return decrypt(keys, message.boots, message.time_s, message.salt, message.sealed)


def scoped_head(plain: bytes) -> Head:
    """The head of the PDU in a scoped PDU. The context is not looked at."""
    first, last = expect(plain, 0, len(plain), SEQUENCE)
    if len(plain) - last > MAX_PADDING:
        raise BerError("something behind the scoped PDU")
    _, at = expect(plain, first, last, OCTETS)
    _, at = expect(plain, at, last, OCTETS)
    return pdu_head(plain, at, last)


def open_scoped(buf: bytes, message: Message, keys: LocalKeys) -> tuple[bytes, Head]:
    """The scoped PDU of a message and the head of the PDU in it."""
    plain = unsealed(buf, message, keys)
    return plain, scoped_head(plain)


def level_of(credentials: SnmpCredentials) -> int:
    """The flags these credentials demand."""
    return (AUTH if credentials.auth else 0) | (PRIV if credentials.priv else 0)


def open_answer(
    buf: bytes, message: Message, keys: LocalKeys, level: int, read: Callable[[bytes], Head] = scoped_head
) -> tuple[bytes, Head]:
    """Check and open an answer. Below `level` only a REPORT passes (RFC 3412 section 7.2.11)."""
    if message.flags & AUTH:
        check_digest(buf, message, keys)
    plain = unsealed(buf, message, keys)
    head = read(plain)
    if message.flags & level != level and head.kind != REPORT:
        raise WrongLevel("answer less protected than the request")
    return plain, head


def seal(
    encoded_pdu: bytes,
    msg_id: int,
    flags: int,
    engine: tuple[bytes, int, int],
    user: bytes,
    keys: LocalKeys,
    salt: bytes,
) -> bytes:
    """A whole message. `engine` is (id, boots, time); `salt` of 8 bytes is used with PRIV only."""
    engine_id, boots, time_s = engine
    body = b"".join((_before_context(len(engine_id), len(encoded_pdu)), engine_id, NO_NAME, encoded_pdu))
    if flags & PRIV:
        body = encrypt(keys, boots, time_s, salt, body)
    else:
        salt = b""
    number, when = integer_tlv(msg_id), integer_tlv(boots) + integer_tlv(time_s)
    digest_bytes = keys.digest_bytes if flags & AUTH else 0
    sizes = (len(number), len(engine_id), len(when), digest_bytes, len(salt), len(body))
    start, before_engine, before_digest, before_salt, before_body = _shell(flags, user, sizes)
    front = b"".join((start, number, before_engine, engine_id, when, before_digest))
    rest = b"".join((before_salt, salt, before_body, body))
    if not digest_bytes:
        return front + rest
    return b"".join((front, digest(keys, b"".join((front, bytes(digest_bytes), rest))), rest))


@lru_cache(maxsize=4096)
def _before_context(engine_id_size: int, pdu_size: int) -> bytes:
    """The headers of a scoped PDU and its context, which is the engine's own, without a name."""
    context = header(OCTETS, engine_id_size)
    return header(SEQUENCE, len(context) + engine_id_size + len(NO_NAME) + pdu_size) + context


@lru_cache(maxsize=4096)
def _shell(flags: int, user: bytes, sizes: tuple[int, int, int, int, int, int]) -> tuple[bytes, ...]:
    """What stands before the parts of a message that are of these sizes: its id with header, the engine id, the
    digest behind boots and time, the salt, the scoped PDU. Equal for most nodes and polls."""
    number, engine_id, when, digest_bytes, salt, body = sizes
    before_body = header(OCTETS, body) if flags & PRIV else b""
    before_salt = header(OCTETS, salt)
    before_digest = octets_tlv(user) + header(OCTETS, digest_bytes)
    before_engine = header(OCTETS, engine_id)
    security = len(before_engine) + engine_id + when + len(before_digest) + digest_bytes + len(before_salt) + salt
    inner = header(SEQUENCE, security)
    outer = header(OCTETS, len(inner) + security)
    globals_ = MAX_SIZE_TLV + bytes((4, 1, flags)) + USM_TLV
    head = header(SEQUENCE, number + len(globals_))
    whole = sum(map(len, (VERSION_TLV, head, globals_, outer, inner, before_body))) + number + security + body
    start = header(SEQUENCE, whole) + VERSION_TLV + head
    return start, globals_ + outer + inner + before_engine, before_digest, before_salt, before_body


@dataclass(frozen=True, slots=True)
class Request:
    """What an agent has to answer, and for whom."""

    pdu: Pdu
    msg_id: int
    flags: int
    user: bytes
    keys: LocalKeys


class Authority:
    """The authoritative side: one agent's engine. Time is given with each call, in seconds since its boot."""

    def __init__(self, engine_id: bytes, boots: int, users: Mapping[bytes, SnmpCredentials]) -> None:
        self.engine_id = engine_id
        self.boots = boots
        self._users = users
        self.stats = dict.fromkeys(range(1, 7), 0)
        self._salt = 0

    def take(self, buf: bytes, time_s: int) -> Request | bytes:
        """A request to answer, or the REPORT that says why not (RFC 3414 section 3.2). BerError: stay silent."""
        message = parse(buf)
        if message.engine_id != self.engine_id:
            return self._report(message, UNKNOWN_ENGINE, time_s, 0, NO_KEYS)
        credentials = self._users.get(message.user)
        if credentials is None:
            return self._report(message, UNKNOWN_USER, time_s, 0, NO_KEYS)
        keys = local_keys(credentials, self.engine_id)
        if message.flags & (AUTH | PRIV) != level_of(credentials):
            return self._report(message, UNSUPPORTED_LEVEL, time_s, 0, keys)
        if message.flags & AUTH:
            try:
                check_digest(buf, message, keys)
            except WrongDigest:
                return self._report(message, WRONG_DIGEST, time_s, 0, keys)
            if message.boots != self.boots or abs(message.time_s - time_s) > TIME_WINDOW_S:
                return self._report(message, NOT_IN_TIME_WINDOW, time_s, AUTH, keys)
        try:
            plain, head = open_scoped(buf, message, keys)
        except BerError:
            return self._report(message, DECRYPTION_ERROR, time_s, 0, keys)
        return Request(read_pdu(plain, head), message.msg_id, message.flags & (AUTH | PRIV), message.user, keys)

    def answer(self, request: Request, status: int, index: int, binds: list[bytes], time_s: int) -> bytes:
        """Seal the answer as the request was sealed."""
        encoded = response(request.pdu.request_id, status, index, binds)
        return self._seal(encoded, request.msg_id, request.flags, request.user, request.keys, time_s)

    def _report(self, message: Message, which: int, time_s: int, flags: int, keys: LocalKeys) -> bytes:
        self.stats[which] += 1
        if not message.flags & REPORTABLE:
            raise BerError("a report nobody asked for")
        counter = bind((*USM_STATS, which, 0), value_tlv(COUNTER32, self.stats[which]))
        # The request id is inside what could not be opened, so it is 0 (RFC 3412 section 7.1).
        return self._seal(pdu(REPORT, 0, 0, 0, [counter]), message.msg_id, flags, message.user, keys, time_s)

    def _seal(self, encoded: bytes, msg_id: int, flags: int, user: bytes, keys: LocalKeys, time_s: int) -> bytes:
        self._salt += 1
        salt = self.boots.to_bytes(4, "big") + (self._salt & 0xFFFFFFFF).to_bytes(4, "big")
        return seal(encoded, msg_id, flags, (self.engine_id, self.boots, time_s), user, keys, salt)
