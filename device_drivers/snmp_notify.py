"""Receives SNMP traps and informs (v1, v2c and v3) on one UDP socket; pysnmp checks digests and answers informs.

pysnmp is driven without its event loop: one `Receiver` belongs to one thread, which calls `step`. The socket is
emptied between two notifications, because one costs pysnmp a millisecond and a burst would overrun the kernel's buffer.
"""

from __future__ import annotations

import contextlib
import select
import socket
import time
from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any, Final

from pyasn1.error import PyAsn1Error
from pyasn1.type import univ
from pysnmp.carrier.asyncio.dgram.udp import SNMP_UDP_DOMAIN
from pysnmp.carrier.base import AbstractTransportDispatcher
from pysnmp.entity import config
from pysnmp.entity.engine import SnmpEngine
from pysnmp.entity.rfc3413.ntfrcv import NotificationReceiver
from pysnmp.error import PySnmpError
from pysnmp.proto import rfc1902

from device_drivers.api import SnmpCredentials, SnmpValue
from device_drivers.errors import Refused
from device_drivers.snmp_gate import Doubt, Gate, Notification, Passed, Sender, UnknownEngine, notification
from device_drivers.snmp_keys import KeyChoiceError, local_keys
from device_drivers.snmp_protocols import AUTH, PRIV

RECEIVE_BUFFER: Final = 8 << 20
SO_RCVBUFFORCE: Final = 33
"""Linux, with CAP_NET_ADMIN: beyond net.core.rmem_max. Not in the socket module."""
MOST_WAITING: Final = 20_000
AT_ONCE: Final = 64
DATAGRAM: Final = 65_535
Address = tuple[Any, ...]


@dataclass(frozen=True, slots=True)
class ReceiverState:
    """Counts since the start. `overrun` were dropped because more came than could be handled."""

    received: int
    accepted: int
    overrun: int
    waiting: int
    doubts: dict[Doubt, int]
    unknown: tuple[UnknownEngine, ...]


class _Wire:
    """What pysnmp's dispatcher takes for a transport: our socket."""

    def __init__(self, sock: socket.socket) -> None:
        self._sock = sock
        self.receive: Callable[[object, Address, bytes], None] | None = None

    def register_callback(self, callback: Callable[[object, Address, bytes], None]) -> None:
        self.receive = callback

    def unregister_callback(self) -> None:
        self.receive = None

    def close_transport(self) -> None:
        self.receive = None

    def send_message(self, message: bytes, address: Address) -> None:
        with contextlib.suppress(OSError):  # an answer that cannot leave is a lost datagram; the sender repeats
            self._sock.sendto(bytes(message), address)


class Receiver:
    """Listens at `host` and `port`. `engine_id` and `boots` are ours: informs are sealed for them (RFC 3414), so the
    id must stay the same from run to run and `boots` must grow. Raises Refused when the port cannot be had."""

    def __init__(
        self, on_notification: Callable[[Notification], None], host: str, port: int, engine_id: bytes, boots: int
    ) -> None:
        self._on_notification = on_notification
        self._gate = Gate(engine_id)
        self._sock = _listen(host, port)
        self._waiting: deque[tuple[bytes, Address]] = deque()
        self._received = self._accepted = self._overrun = 0
        self._now: Passed | None = None
        self._users: dict[bytes, SnmpCredentials] = {}
        self._communities: set[str] = set()
        self._engine = _engine(engine_id, boots)
        (self._wrong_digests,) = self._engine.get_mib_builder().import_symbols(
            "__SNMP-USER-BASED-SM-MIB", "usmStatsWrongDigests"
        )
        self._dispatcher = AbstractTransportDispatcher()
        self._wire = _Wire(self._sock)
        self._dispatcher.register_transport(SNMP_UDP_DOMAIN, self._wire)
        self._engine.register_transport_dispatcher(self._dispatcher)
        NotificationReceiver(self._engine, self._take)

    @property
    def port(self) -> int:
        """Where it listens; of use when 0 was asked for."""
        return int(self._sock.getsockname()[1])

    def know(self, senders: Iterable[Sender]) -> list[tuple[str, str]]:
        """Take over everybody who may send; returns (node id, why) of those whose credentials can make no keys."""
        found = list(senders)
        unusable: list[tuple[str, str]] = []
        for sender in found:
            try:
                self._admit(sender.credentials)
            except KeyChoiceError as error:
                unusable.append((sender.node_id, str(error)))
        unfit = {node_id for node_id, _ in unusable}
        self._gate.know(one for one in found if one.node_id not in unfit)
        return unusable

    def step(self, wait_s: float) -> int:
        """Handle what arrived, waiting at most `wait_s` for the first; returns how many datagrams were handled."""
        if not self._waiting:
            select.select([self._sock], (), (), wait_s)
        self._drain()
        handled = 0
        while self._waiting and handled < AT_ONCE:
            raw, address = self._waiting.popleft()
            self._handle(raw, address)
            handled += 1
            self._drain()
        self._dispatcher.handle_timer_tick(time.monotonic())
        return handled

    def state(self) -> ReceiverState:
        """A snapshot for liveness."""
        gate = self._gate
        doubts = dict(gate.counts)
        if wrong := int(self._wrong_digests.syntax):
            doubts["wrong_rights"] = doubts.get("wrong_rights", 0) + wrong
        return ReceiverState(self._received, self._accepted, self._overrun, len(self._waiting), doubts, gate.unknown())

    def close(self) -> None:
        """Stop listening."""
        self._engine.close_dispatcher()
        self._sock.close()

    def _drain(self) -> None:
        """Empty the kernel's buffer into ours."""
        while True:
            try:
                raw, address = self._sock.recvfrom(DATAGRAM)
            except BlockingIOError:
                return
            except OSError:
                continue  # an ICMP error of an answer we sent
            self._received += 1
            if len(self._waiting) < MOST_WAITING:
                self._waiting.append((raw, address))
            else:
                self._overrun += 1

    def _handle(self, raw: bytes, address: Address) -> None:
        passed = self._gate.look(raw, str(address[0]))
        if passed is None or self._wire.receive is None:
            return
        if (
            passed.message is not None
            and passed.sender is not None
            and passed.message.engine_id == passed.sender.engine_id
        ):
            self._admit_engine(passed.sender.engine_id, passed.sender.credentials)
        self._now = passed
        try:
            self._wire.receive(self._wire, address, passed.raw)
        except (PySnmpError, PyAsn1Error):
            self._gate.doubt("garbled")
        finally:
            self._now = None

    def _take(self, _engine: object, _reference: object, _id: object, _name: object, binds: Any, _: object) -> None:
        """pysnmp's callback: the digest was right, an inform is answered already."""
        passed = self._now
        if passed is None:
            return
        self._gate.accepted(passed)
        found = notification(passed, tuple((tuple(name), _plain(value)) for name, value in binds))
        if found is None:
            self._gate.doubt("garbled")
            return
        self._accepted += 1
        self._on_notification(found)

    def _admit(self, credentials: SnmpCredentials) -> None:
        """Tell pysnmp about a community, or about a user at our own engine, who may send informs."""
        if credentials.version == "3":
            self._admit_engine(self._gate.engine_id, credentials)
        elif credentials.community not in self._communities:
            name = f"community-{len(self._communities)}"
            config.add_v1_system(self._engine, name, credentials.community)
            self._communities.add(credentials.community)

    def _admit_engine(self, engine_id: bytes, credentials: SnmpCredentials) -> None:
        """Register the user's keys at one engine: when something of it arrives, not for ten thousand beforehand."""
        key = engine_id + b"/" + credentials.user.encode()
        if self._users.get(key) == credentials or (engine_id == self._gate.engine_id and key in self._users):
            return
        keys = local_keys(credentials, engine_id)
        config.add_v3_user(
            self._engine,
            credentials.user,
            AUTH[credentials.auth],
            keys.auth or None,
            PRIV[credentials.priv],
            keys.priv or None,
            securityEngineId=rfc1902.OctetString(engine_id),
            authKeyType=config.USM_KEY_TYPE_LOCALIZED,
            privKeyType=config.USM_KEY_TYPE_LOCALIZED,
        )
        self._users[key] = credentials


def _listen(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    sock = socket.socket(family, socket.SOCK_DGRAM)
    sock.setblocking(False)
    for option in (socket.SO_RCVBUF, SO_RCVBUFFORCE):
        with contextlib.suppress(OSError):
            sock.setsockopt(socket.SOL_SOCKET, option, RECEIVE_BUFFER)
    try:
        if family == socket.AF_INET6:
            sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
        sock.bind((host, port))
    except OSError as error:
        sock.close()
        raise Refused(f"{host}:{port}", f"cannot listen for notifications: {error.strerror}") from error
    return sock


def _engine(engine_id: bytes, boots: int) -> Any:
    """pysnmp's engine under our id; given to its constructor, it would keep the boots in a shared temporary folder."""
    engine = SnmpEngine()
    builder = engine.get_mib_builder()
    own_id, own_boots = builder.import_symbols("__SNMP-FRAMEWORK-MIB", "snmpEngineID", "snmpEngineBoots")
    own_id.syntax = own_id.syntax.clone(engine_id)
    own_boots.syntax = own_boots.syntax.clone(boots)
    engine.snmpEngineID = own_id.syntax
    return engine


def _plain(value: Any) -> SnmpValue:
    """pysnmp's value as the wire types of this package."""
    if isinstance(value, univ.ObjectIdentifier):
        return tuple(value)
    if isinstance(value, univ.OctetString):
        return bytes(value)
    return int(value) if isinstance(value, univ.Integer) else None
