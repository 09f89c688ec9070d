"""Thousands of SNMP agents in one thread behind one socket. Only loopback can reach them."""

from __future__ import annotations

import contextlib
import random
import select
import socket
import struct
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Protocol

from device_drivers.api import SnmpCredentials
from device_drivers.simcity.mib import Box, Layout, layout
from device_drivers.simcity.world import Mast
from device_drivers.snmp_ber import END_OF_MIB_VIEW, NO_SUCH_INSTANCE, BerError
from device_drivers.snmp_codec import (
    GET,
    GETBULK,
    GETNEXT,
    NOT_WRITABLE,
    SET,
    TOO_BIG,
    V2C,
    V3,
    Pdu,
    bind,
    community_message,
    parse_message,
    response,
    version_of,
)
from device_drivers.snmp_v3 import Authority

COMMUNITY: Final = "demo-public"
USER: Final = "demo"
AUTH_PASSWORD: Final = "demo-authentication"  # noqa: S105 - the simulated city has no secrets
PRIV_PASSWORD: Final = "demo-privacy-2026"  # noqa: S105
CREDENTIALS: Final = {
    "demo-v2c": SnmpCredentials("2c", community=COMMUNITY),
    "demo-v3": SnmpCredentials("3", "", USER, "sha1", AUTH_PASSWORD, "aes128", PRIV_PASSWORD),
}
LARGEST: Final = 8_000
MOST_REPETITIONS: Final = 100
RECEIVE_BUFFER: Final = 8 << 20
SO_BINDTODEVICE: Final = 25  # Linux, asm-generic/socket.h
IP_PKTINFO: Final = 8  # Linux, linux/in.h
PKTINFO: Final = struct.Struct("=I4s4s")


class ExtraRows(Protocol):
    """Objects of one agent alone: what it hears of its neighbours."""

    def find(self, raw: bytes, now_s: float, /) -> bytes | None:
        """The value of exactly this object."""

    def behind(self, raw: bytes, place: int, now_s: float, /) -> list[tuple[bytes, bytes]]:
        """Objects behind `raw` that belong before the shared one at `place` (0 or the layout's gap)."""


@dataclass(slots=True)
class Agent:
    """One node on the wire: its values, its engine, and what is wrong with it at the moment."""

    box: Box
    authority: Authority
    objects: Layout
    down: bool = False
    loss_pct: float = 0.0
    extra: ExtraRows | None = None

    def reboot(self, now_s: float) -> None:
        """The whole node starts anew: more boots, times and counters from zero."""
        self.restart_agent(now_s)
        self.box.host_booted_s = now_s
        self.box.counted_from_s = now_s
        self.box.discontinuity_ticks = 0

    def restart_agent(self, now_s: float) -> None:
        """Only the agent starts anew: more boots, sysUpTime from zero, counters go on."""
        self.box.engine_boots += 1
        self.authority.boots = self.box.engine_boots
        self.box.booted_s = now_s

    def reset_counters(self, now_s: float) -> None:
        """Counters start from zero without a reboot and say so (RFC 2863, ifCounterDiscontinuityTime)."""
        self.box.counted_from_s = now_s
        self.box.discontinuity_ticks = int((now_s - self.box.booted_s) * 100) & 0xFFFFFFFF


def make_agent(number: int, name: str, description: str, ports: int, rng: random.Random) -> Agent:
    """An agent with an engine id of its own (RFC 3411 section 5, text format)."""
    engine_id = b"\x80\x00\x1f\x88\x04sim" + number.to_bytes(4, "big")
    box = Box(name, description, engine_id, ports, rng.random(), rng.uniform(0.2, 1.0), rng.randint(1, 40))
    box.booted_s = -rng.uniform(3_600, 4_000_000)
    box.host_booted_s = box.counted_from_s = box.booted_s
    authority = Authority(engine_id, box.engine_boots, {USER.encode(): CREDENTIALS["demo-v3"]})
    return Agent(box, authority, layout(ports))


def description(mast: Mast) -> str:
    """sysDescr in the manner of the maker, and that nothing here is real."""
    system = {"MikroTik": "RouterOS", "Ubiquiti": "airOS", "Cambium": "cnWave version"}.get(mast.vendor, mast.vendor)
    return f"{system} {mast.firmware} {mast.model} (simulated)"


def answer(agent: Agent, raw: bytes, now_s: float) -> bytes | None:
    """What the agent sends back to one packet; None where a real one stays silent."""
    try:
        if version_of(raw) == V3:
            time_s = int(now_s - agent.box.booted_s)
            taken = agent.authority.take(raw, time_s)
            if isinstance(taken, bytes):
                return taken
            status, index, binds = _binds(agent, taken.pdu, now_s)
            return agent.authority.answer(taken, status, index, binds, time_s)
        message = parse_message(raw)
        if message.version != V2C or message.community != COMMUNITY.encode():
            return None
        status, index, binds = _binds(agent, message.pdu, now_s)
        return community_message(V2C, message.community, response(message.pdu.request_id, status, index, binds))
    except BerError:
        return None


def _binds(agent: Agent, pdu: Pdu, now_s: float) -> tuple[int, int, list[bytes]]:
    """Error status, error index and the encoded bindings of the answer."""
    if pdu.kind == SET:
        return NOT_WRITABLE, 1, [bind(raw, b"\x05\x00") for raw, _, _ in pdu.binds]
    if pdu.kind == GET:
        found = [_exactly(agent, raw, now_s) for raw, _, _ in pdu.binds]
    elif pdu.kind == GETNEXT:
        found = [_next(agent, raw, 1, now_s)[0] for raw, _, _ in pdu.binds]
    elif pdu.kind == GETBULK:
        return 0, 0, _bulk(agent, pdu, now_s)
    else:
        raise BerError("nothing an agent answers")
    if sum(map(len, found)) > LARGEST:
        return TOO_BIG, 0, []
    return 0, 0, found


def _exactly(agent: Agent, raw: bytes, now_s: float) -> bytes:
    place = agent.objects.find(raw)
    value = None if place is None else agent.objects.entries[place][1](agent.box, now_s)
    if place is None and agent.extra is not None:
        value = agent.extra.find(raw, now_s)
    return bind(raw, bytes((NO_SUCH_INSTANCE, 0)) if value is None else value)


def _next(agent: Agent, raw: bytes, count: int, now_s: float) -> list[bytes]:
    """Up to `count` objects behind `raw`; objects that do not exist just now are passed over."""
    entries, box = agent.objects.entries, agent.box
    place = agent.objects.after(raw)
    found: list[bytes] = []
    while len(found) < count:
        if agent.extra is not None and place in (0, agent.objects.gap):
            own = agent.extra.behind(raw, place, now_s)[: count - len(found)]
            found += [bind(oid, encoded) for oid, encoded in own]
            raw = own[-1][0] if own else raw
        if place >= len(entries) or len(found) >= count:
            break
        oid, value = entries[place]
        encoded = value(box, now_s)
        if encoded is not None:
            found.append(bind(oid, encoded))
            raw = oid
        place += 1
    return found + [bind(raw, bytes((END_OF_MIB_VIEW, 0)))] * (count - len(found))


def _bulk(agent: Agent, pdu: Pdu, now_s: float) -> list[bytes]:
    """RFC 3416 section 4.2.3: non-repeaters once, then rows, cut where the message would grow too large."""
    once = max(0, min(pdu.status, len(pdu.binds)))
    repetitions = max(0, min(pdu.index, MOST_REPETITIONS))
    out = [_next(agent, raw, 1, now_s)[0] for raw, _, _ in pdu.binds[:once]]
    columns = [_next(agent, raw, repetitions, now_s) for raw, _, _ in pdu.binds[once:]]
    size = sum(map(len, out))
    for row in zip(*columns, strict=True):
        size += sum(map(len, row))
        if size > LARGEST and out:
            break
        out += row
    return out


class Wired:
    """All agents. On Linux each has an address of its own in 127.0.0.0/8, elsewhere a port of its own."""

    def __init__(self, agents: Sequence[Agent], rng: random.Random, port: int = 0, age_s: float = 0.0) -> None:
        self.agents = agents
        self.answered = 0
        self._rng = rng
        self._started = time.monotonic() - age_s
        self._by_address: dict[bytes, Agent] = {}
        self._by_socket: dict[int, Agent] = {}
        shared = _shared_socket(port)
        if shared is not None:
            self._sockets = [shared]
            listening = int(shared.getsockname()[1])
            self.addresses = [(_address(number), listening) for number in range(len(agents))]
            self._by_address = {
                socket.inet_aton(host): agent for (host, _), agent in zip(self.addresses, agents, strict=True)
            }
        else:
            self._sockets = [_own_socket() for _ in agents]
            self.addresses = [("127.0.0.1", int(sock.getsockname()[1])) for sock in self._sockets]
            self._by_socket = {sock.fileno(): agent for sock, agent in zip(self._sockets, agents, strict=True)}

    def now_s(self) -> float:
        """Seconds since the simulation began."""
        return time.monotonic() - self._started

    def run(self, stop: threading.Event) -> None:
        """Answer until stopped."""
        try:
            while not stop.is_set():
                ready, _, _ = select.select(self._sockets, (), (), 0.2)
                for sock in ready:
                    self._serve(sock)
        finally:
            for sock in self._sockets:
                sock.close()

    def _serve(self, sock: socket.socket) -> None:
        own = self._by_socket.get(sock.fileno())
        for _ in range(256):
            try:
                raw, extra, _, peer = sock.recvmsg(65_535, 64)
            except BlockingIOError:
                return
            info = b"" if own is not None else _packet_info(extra)
            agent = own if own is not None else self._by_address.get(info[8:12])
            if agent is None or agent.down or self._rng.random() * 100 < agent.loss_pct:
                continue
            reply = answer(agent, raw, self.now_s())
            if reply is None:
                continue
            self.answered += 1
            with contextlib.suppress(BlockingIOError):
                if own is not None:
                    sock.sendto(reply, peer)
                else:
                    source = PKTINFO.pack(0, info[8:12], b"\0\0\0\0")
                    sock.sendmsg([reply], [(socket.IPPROTO_IP, IP_PKTINFO, source)], 0, peer)


def _address(number: int) -> str:
    return f"127.{32 + number // 62_500}.{number // 250 % 250}.{number % 250 + 1}"


def _shared_socket(port: int) -> socket.socket | None:
    """One socket for the whole of 127.0.0.0/8 that no other network can reach; None where that does not work."""
    sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    try:
        sock.setsockopt(socket.SOL_SOCKET, SO_BINDTODEVICE, b"lo\0")
        sock.setsockopt(socket.IPPROTO_IP, IP_PKTINFO, 1)
        sock.bind(("", port))
    except OSError:
        sock.close()
        return None
    return _tuned(sock)


def _own_socket() -> socket.socket:
    sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    sock.bind(("127.0.0.1", 0))
    return _tuned(sock)


def _tuned(sock: socket.socket) -> socket.socket:
    sock.setblocking(False)
    with contextlib.suppress(OSError):
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, RECEIVE_BUFFER)
    return sock


def _packet_info(extra: Sequence[tuple[int, int, bytes]]) -> bytes:
    """struct in_pktinfo: interface, local address, destination address (ip(7)); only 127/8 counts."""
    for level, kind, data in extra:
        if (level, kind) == (socket.IPPROTO_IP, IP_PKTINFO) and data[8:9] == b"\x7f":
            return data
    return bytes(12)
