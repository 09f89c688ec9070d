"""An SNMP agent that answers as it is told, and a poller beside it on a clock that only the test moves."""

from __future__ import annotations

import contextlib
import random
import socket
from collections.abc import Callable, Iterator
from typing import Any

from device_drivers.api import Oid, Poll, PollPlan, SnmpCredentials, SnmpTarget
from device_drivers.snmp import Poller
from device_drivers.snmp_ber import COUNTER64, END_OF_MIB_VIEW, NO_SUCH_INSTANCE, OCTETS, TIME_TICKS, read_oid
from device_drivers.snmp_codec import (
    GET,
    RESPONSE,
    TOO_BIG,
    V2C,
    V3,
    Pdu,
    bind,
    community_message,
    parse_message,
    pdu,
    value_tlv,
    version_of,
)
from device_drivers.snmp_v3 import Authority

UPTIME: Oid = (1, 3, 6, 1, 2, 1, 1, 3, 0)
NAME: Oid = (1, 3, 6, 1, 2, 1, 1, 5, 0)
IF_NAME: Oid = (1, 3, 6, 1, 2, 1, 31, 1, 1, 1, 1)
IF_IN: Oid = (1, 3, 6, 1, 2, 1, 31, 1, 1, 1, 6)
PLAN = PollPlan((UPTIME, NAME), (IF_NAME, IF_IN), max_rows=16)
COMMUNITY = "read-only-secret"
V2 = SnmpCredentials("2c", community=COMMUNITY)
USER = SnmpCredentials("3", "", "reader", "sha256", "authenticate-me", "aes128", "keep-it-private")
ENGINE = b"\x80\x00\x1f\x88\x04scripted"
Reply = Callable[[bytes, bytes], list[bytes]]
"""(request, the proper answer) -> what the agent sends instead."""


class ScriptedAgent:
    """Objects, an engine, and `reply`, which a test replaces."""

    def __init__(self, family: int = socket.AF_INET) -> None:
        self.sock = socket.socket(family, socket.SOCK_DGRAM)
        self.sock.bind(("::1" if family == socket.AF_INET6 else "127.0.0.1", 0))
        self.sock.setblocking(False)
        self.port = int(self.sock.getsockname()[1])
        self.rows = 3
        self.most_binds = 1000
        self.has_name = True
        self.port_name = b"p%d"
        self.time_s = 5000
        self.authority = Authority(ENGINE, 7, {b"reader": USER})
        self.requests: list[bytes] = []
        self.peers: list[Any] = []
        self.reply: Reply = lambda _, proper: [proper]
        self.answer_to: Callable[[Pdu], tuple[int, list[bytes]]] = self._objects

    def serve(self) -> None:
        """Answer everything that waits."""
        with contextlib.suppress(BlockingIOError):
            while True:
                raw, peer = self.sock.recvfrom(65_535)
                self.requests.append(raw)
                self.peers.append(peer)
                for one in self.reply(raw, self.proper(raw)):
                    self.sock.sendto(one, peer)

    def proper(self, raw: bytes) -> bytes:
        """What a good agent answers."""
        if version_of(raw) == V3:
            taken = self.authority.take(raw, self.time_s)
            if isinstance(taken, bytes):
                return taken
            status, binds = self.answer_to(taken.pdu)
            return self.authority.answer(taken, status, 0, binds, self.time_s)
        message = parse_message(raw)
        status, binds = self.answer_to(message.pdu)
        return community_message(V2C, message.community, pdu(RESPONSE, message.pdu.request_id, status, 0, binds))

    def _objects(self, asked: Pdu) -> tuple[int, list[bytes]]:
        """Error status and bindings of a good answer."""
        names = [read_oid(raw) for raw, _, _ in asked.binds]
        if asked.kind == GET:
            return 0, [self._scalar(name) for name in names]
        once, rows = names[: asked.status], names[asked.status :]
        if len(once) + asked.index * len(rows) > self.most_binds:
            return TOO_BIG, []
        columns = [self._column(name, asked.index) for name in rows]
        return 0, [*map(self._following, once), *(one for row in zip(*columns, strict=True) for one in row)]

    def _scalars(self) -> dict[Oid, bytes]:
        found = {UPTIME: value_tlv(TIME_TICKS, self.time_s * 100), NAME: value_tlv(OCTETS, b"scripted")}
        return found if self.has_name else {UPTIME: found[UPTIME]}

    def _scalar(self, name: Oid) -> bytes:
        return bind(name, self._scalars().get(name, value_tlv(NO_SUCH_INSTANCE, None)))

    def _following(self, name: Oid) -> bytes:
        """The object behind this name; behind the last scalar the table begins."""
        found = next((one for one in self._scalars() if one > name), None)
        return self._column(IF_NAME, 1)[0] if found is None else bind(found, self._scalars()[found])

    def _column(self, name: Oid, count: int) -> list[bytes]:
        base = next(column for column in (IF_NAME, IF_IN) if name[: len(column)] == column)
        first = name[len(base)] + 1 if len(name) > len(base) else 1
        out = []
        for row in range(first, first + count):
            value = value_tlv(OCTETS, self.port_name % row) if base == IF_NAME else value_tlv(COUNTER64, row * 1000)
            over = bind((*base[:-1], base[-1] + 1, row), value_tlv(END_OF_MIB_VIEW, None))
            out.append(bind((*base, row), value) if row <= self.rows else over)
        return out


class Bench:
    """A poller on a hand-moved clock, and the agent beside it; loopback delivers before the next call."""

    def __init__(self, agent: ScriptedAgent, **options: Any) -> None:
        self.agent = agent
        self.now = 1000.0
        self.polls: list[Poll] = []
        self.calls: list[str] = []
        self.poller = Poller(
            self.polls.append,
            random.Random(5),
            clock=lambda: self.now,
            log=lambda node_id, line: self.calls.append(f"{node_id} {line}"),
            **options,
        )

    def target(self, credentials: SnmpCredentials = V2, node_id: str = "ge-bue-0001", **other: Any) -> SnmpTarget:
        """The agent as a node of the inventory."""
        place = {"host": "127.0.0.1", "port": self.agent.port, "timeout_ms": 2000, "retries": 2}
        return SnmpTarget(node_id, credentials=credentials, **{**place, **other})

    def poll(self, credentials: SnmpCredentials = V2, **other: Any) -> Poll:
        """One poll to its end."""
        self.poller.submit(self.target(credentials, **other), PLAN, 0)
        return self.finish()[-1]

    def finish(self) -> list[Poll]:
        """Exchange packets until no poll is left; the clock moves only while nobody has anything to say."""
        for _ in range(2000):
            if not self.poller.in_flight():
                return self.polls
            before = len(self.agent.requests), len(self.polls)
            self.agent.serve()
            self.poller.step(0)
            if before == (len(self.agent.requests), len(self.polls)):
                self.now += 0.05
        raise AssertionError("a poll without end")


@contextlib.contextmanager
def bench(family: int = socket.AF_INET, **options: Any) -> Iterator[Bench]:
    """An agent and a poller, closed afterwards."""
    agent = ScriptedAgent(family)
    made = Bench(agent, **options)
    try:
        yield made
    finally:
        made.poller.close()
        agent.sock.close()
