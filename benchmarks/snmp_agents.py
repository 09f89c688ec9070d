"""SNMP agents for the polling benchmark, in a process of their own: every client under test asks the same ones."""

from __future__ import annotations

import multiprocessing
import random
import selectors
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from multiprocessing.connection import Connection

from device_drivers.simcity.wired import answer, make_agent
from device_drivers.snmp_ber import oid_body
from device_drivers.snmp_oids import SYS_UPTIME

PORTS = 8
ASKS_UPTIME = oid_body(SYS_UPTIME)


@dataclass(frozen=True, slots=True)
class Agents:
    """Where they listen, and how many polls in SNMPv2c they have seen begin."""

    addresses: list[tuple[str, int]]
    pipe: Connection

    def polls_seen(self) -> int:
        """Requests for sysUpTime: every client asks for it once per poll."""
        self.pipe.send("count")
        return int(self.pipe.recv())


@contextmanager
def agents(count: int) -> Iterator[Agents]:
    """That many agents with eight interfaces each, gone afterwards."""
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe()
    process = context.Process(target=_serve, args=(count, theirs), daemon=True)
    process.start()
    try:
        yield Agents(ours.recv(), ours)
    finally:
        process.terminate()
        process.join(10)


def _serve(count: int, pipe: Connection) -> None:
    rng = random.Random(1)
    selector = selectors.DefaultSelector()
    addresses = []
    for number in range(count):
        sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        sock.bind(("127.0.0.1", 0))
        sock.setblocking(False)
        addresses.append(sock.getsockname())
        agent = make_agent(number, f"ge-alt-{number:04d}", "OpenWrt 23.05 (simulated)", PORTS, rng)
        selector.register(sock, selectors.EVENT_READ, agent)
    selector.register(pipe, selectors.EVENT_READ, None)
    pipe.send(addresses)
    seen = 0
    started = time.monotonic()
    while True:
        for key, _ in selector.select():
            if key.data is None:
                pipe.recv()
                pipe.send(seen)
                continue
            sock = key.fileobj
            assert isinstance(sock, socket.socket)
            raw, peer = sock.recvfrom(65_535)
            seen += ASKS_UPTIME in raw
            reply = answer(key.data, raw, time.monotonic() - started)
            if reply is not None:
                sock.sendto(reply, peer)
