"""Who may notify us and what arrives as what: looks at a datagram before any other code believes it. No I/O.

pysnmp checks digests, but of a trap it takes any security level and any age (it is then not the authoritative side),
and what comes from an engine it does not know it drops without a word. Both are decided and counted here.
"""

from __future__ import annotations

import hmac
import ipaddress
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from functools import lru_cache
from typing import Final, Literal

from device_drivers.api import Oid, SnmpCredentials, SnmpValue
from device_drivers.snmp_ber import BerError
from device_drivers.snmp_codec import INFORM, TRAP, V1, V2C, V3, parse_message, version_of
from device_drivers.snmp_keys import NO_KEYS
from device_drivers.snmp_trap_v1 import SNMP_TRAP_OID, SNMP_TRAPS, SYS_UPTIME, translate
from device_drivers.snmp_v3 import AUTH, PRIV, TIME_WINDOW_S, Message, level_of, open_scoped, parse

Kind = Literal["cold_start", "warm_start", "link_down", "link_up", "authentication_failure", "other"]
Doubt = Literal["unknown_engine", "wrong_rights", "too_weak", "too_old", "garbled"]

IF_ENTRY: Final[Oid] = (1, 3, 6, 1, 2, 1, 2, 2, 1)
IF_INDEX, IF_DESCR = 1, 2
IF_NAME: Final[Oid] = (1, 3, 6, 1, 2, 1, 31, 1, 1, 1, 1)
KINDS: Final[dict[int, Kind]] = {
    1: "cold_start",
    2: "warm_start",
    3: "link_down",
    4: "link_up",
    5: "authentication_failure",
}
"""Last sub-identifier under snmpTraps (RFC 3418 section 2)."""
ENGINE_ID_SIZES: Final = range(5, 33)
"""RFC 3411 section 5, SnmpEngineID; pysnmp takes no other."""
MOST_UNKNOWN: Final = 100
"""Engines kept by name; a flood of made-up ones is only counted."""
Bind = tuple[Oid, SnmpValue]


@dataclass(frozen=True, slots=True)
class Notification:
    """One trap or inform that was let in. `node_id` is empty when the sender is not in the inventory."""

    node_id: str
    address: str
    version: Literal["1", "2c", "3"]
    kind: Kind
    trap_oid: Oid
    uptime_ticks: int | None
    interface: str
    if_index: int | None
    binds: tuple[Bind, ...]


@dataclass(frozen=True, slots=True)
class Sender:
    """A node that may notify us. `engine_id` is what polling learned; without it only informs can be checked.

    Copied images share an engine id, forwarded ports an address: then the other of both tells the nodes apart.
    """

    node_id: str
    address: str
    credentials: SnmpCredentials
    engine_id: bytes = b""
    boots: int = 0


@dataclass(frozen=True, slots=True)
class UnknownEngine:
    """Somebody sends SNMPv3 notifications whom the inventory does not know."""

    engine_id: str
    address: str
    user: str
    count: int


@dataclass(frozen=True, slots=True)
class Passed:
    """A datagram worth handing on, a v1 trap as the v2c one it means.

    `message` is set for SNMPv3, `sender` where the engine or address is known.
    """

    raw: bytes
    address: str
    version: Literal["1", "2c", "3"]
    sender: Sender | None
    message: Message | None = None


@dataclass(slots=True)
class Gate:
    """Knows who may send. `engine_id` is our own: informs are addressed to it."""

    engine_id: bytes
    counts: dict[Doubt, int] = field(default_factory=dict)
    _unknown: dict[bytes, UnknownEngine] = field(default_factory=dict)
    _engines: dict[bytes, list[Sender]] = field(default_factory=dict)
    _addresses: dict[str, list[Sender]] = field(default_factory=dict)
    _communities: frozenset[bytes] = frozenset()
    _users: frozenset[bytes] = frozenset()
    _newest: dict[tuple[bytes, str], tuple[int, int]] = field(default_factory=dict)

    def know(self, senders: Iterable[Sender]) -> None:
        """Take over everybody who may send; who is not among them any more is unknown again."""
        found = [replace(one, address=spelled(one.address)) for one in senders]
        self._engines, self._addresses = {}, {}
        for one in found:
            self._addresses.setdefault(one.address, []).append(one)
            if len(one.engine_id) in ENGINE_ID_SIZES and one.credentials.version == "3":
                self._engines.setdefault(one.engine_id, []).append(one)
        rights = {one.credentials for one in found}
        self._communities = frozenset(one.community.encode() for one in rights if one.version == "2c")
        self._users = frozenset(one.user.encode() for one in rights if one.version == "3")
        for engine_id in self._unknown.keys() & self._engines.keys():
            del self._unknown[engine_id]

    def unknown(self) -> tuple[UnknownEngine, ...]:
        """Engines nobody knows, the most frequent first."""
        return tuple(sorted(self._unknown.values(), key=lambda one: -one.count))

    def look(self, raw: bytes, address: str) -> Passed | None:
        """Let a datagram pass, or count why not."""
        try:
            found = self._judge(raw, spelled(address))
        except BerError:
            found = "garbled"
        if isinstance(found, Passed):
            return found
        self.doubt(found)
        return None

    def doubt(self, reason: Doubt) -> None:
        """Count what is not let in."""
        self.counts[reason] = self.counts.get(reason, 0) + 1

    def accepted(self, passed: Passed) -> None:
        """Its digest was right: what is older than this by more than the window is a replay from now on."""
        message = passed.message
        if message is not None and message.flags & AUTH and passed.sender is not None:
            when = (message.boots, message.time_s)
            whose = (message.engine_id, passed.sender.node_id)
            self._newest[whose] = max(when, self._newest.get(whose, when))

    def _judge(self, raw: bytes, address: str) -> Passed | Doubt:
        version = version_of(raw)
        if version == V2C:
            return self._community(raw, address)
        if version == V1:
            return self._oldest(raw, address)
        return self._user_based(raw, address) if version == V3 else "garbled"

    def _community(self, raw: bytes, address: str) -> Passed | Doubt:
        message = parse_message(raw)
        if message.pdu.kind not in (TRAP, INFORM):
            return "garbled"
        if not self._is_known(message.community):
            return "wrong_rights"
        return Passed(raw, address, "2c", self._sender_at(address, message.community))

    def _oldest(self, raw: bytes, address: str) -> Passed | Doubt:
        """SNMPv1 goes on as v2c. It names the node it is about, which counts where a relay sent it on."""
        trap = translate(raw)
        if not self._is_known(trap.community):
            return "wrong_rights"
        sender = self._sender_at(address, trap.community) or self._sender_at(trap.agent, trap.community)
        return Passed(trap.message, address, "1", sender)

    def _sender_at(self, address: str, right: bytes) -> Sender | None:
        """The node at an address; of several the one that has this community or user, else nobody can say."""
        return _only(self._addresses.get(address, ()), right)

    def _is_known(self, community: bytes) -> bool:
        return any(hmac.compare_digest(community, known) for known in self._communities)

    def _user_based(self, raw: bytes, address: str) -> Passed | Doubt:
        message = parse(raw)
        if message.sealed is None:
            open_scoped(raw, message, NO_KEYS)
        if message.engine_id in (b"", self.engine_id):
            # The discovery of our engine, or an inform: we are authoritative and pysnmp checks everything.
            if message.user and message.user not in self._users:
                self.doubt("wrong_rights")
            return Passed(raw, address, "3", self._sender_at(address, message.user), message)
        sender = self._of_engine(message, address)
        if sender is None:
            self._note_unknown(message, address)
            return "unknown_engine"
        if message.user != sender.credentials.user.encode():
            return "wrong_rights"
        if message.flags & (AUTH | PRIV) != level_of(sender.credentials):
            return "too_weak"
        if self._is_old(message, sender):
            return "too_old"
        return Passed(raw, address, "3", sender, message)

    def _of_engine(self, message: Message, address: str) -> Sender | None:
        """The node with this engine. Where several have it and none can be told, one of them without its name."""
        found = self._engines.get(message.engine_id, [])
        near = [one for one in found if one.address == address] or found
        mine = [one for one in near if one.credentials.user.encode() == message.user] or near
        if len(mine) < 2:
            return next(iter(mine), None)
        return replace(mine[0], node_id="", boots=min(one.boots for one in mine))

    def _is_old(self, message: Message, sender: Sender) -> bool:
        """RFC 3414 section 3.2 (7b), for the engine that is authoritative for what it sends."""
        boots, time_s = self._newest.get((message.engine_id, sender.node_id), (sender.boots, 0))
        if message.boots != max(boots, sender.boots):
            return message.boots < max(boots, sender.boots)
        return message.time_s < time_s - TIME_WINDOW_S

    def _note_unknown(self, message: Message, address: str) -> None:
        known = self._unknown.get(message.engine_id)
        if known is not None:
            self._unknown[message.engine_id] = replace(known, address=address, count=known.count + 1)
        elif len(self._unknown) < MOST_UNKNOWN:
            user = message.user.decode("utf-8", "replace")
            self._unknown[message.engine_id] = UnknownEngine(message.engine_id.hex(), address, user, 1)


def _only(found: Sequence[Sender], right: bytes) -> Sender | None:
    if len(found) > 1:
        found = [one for one in found if right in (one.credentials.community.encode(), one.credentials.user.encode())]
    return found[0] if len(found) == 1 else None


@lru_cache(maxsize=65_536)
def spelled(address: str) -> str:
    """An address as the system writes it: IPv6 in short, an IPv4 one that came over IPv6 as IPv4; a name as it is."""
    try:
        found = ipaddress.ip_address(address)
    except ValueError:
        return address
    return str(getattr(found, "ipv4_mapped", None) or found)


def notification(passed: Passed, binds: tuple[Bind, ...]) -> Notification | None:
    """The facts of a notification; None when it does not name its kind (RFC 3416 section 4.2.6)."""
    found = dict(binds)
    trap_oid = found.get(SNMP_TRAP_OID)
    if not isinstance(trap_oid, tuple):
        return None
    uptime = found.get(SYS_UPTIME)
    if_index, interface = _interface(binds)
    return Notification(
        passed.sender.node_id if passed.sender is not None else "",
        passed.address,
        passed.version,
        KINDS.get(trap_oid[-1], "other") if trap_oid[:-1] == SNMP_TRAPS else "other",
        trap_oid,
        uptime if isinstance(uptime, int) else None,
        interface,
        if_index,
        binds,
    )


def _interface(binds: Iterable[Bind]) -> tuple[int | None, str]:
    """Index and name of the interface a link notification is about; agents send ifName, ifDescr or neither."""
    index: int | None = None
    name = described = ""
    for oid, value in binds:
        if oid[:-1] == (*IF_ENTRY, IF_INDEX) and isinstance(value, int):
            index = value
        elif oid[:-1] == IF_NAME and isinstance(value, bytes):
            name = value.decode("utf-8", "replace")
        elif oid[:-1] == (*IF_ENTRY, IF_DESCR) and isinstance(value, bytes):
            described = value.decode("utf-8", "replace")
    return index, name or described
