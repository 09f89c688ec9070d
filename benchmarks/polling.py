"""What one poll costs in processor time: twelve scalars and eight interfaces times six columns, ours beside others'."""

from __future__ import annotations

import random
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from benchmarks.claim import Claim, main
from benchmarks.missing import why_missing
from benchmarks.polling_peers import collectd_cost, exporter_cost, pysnmp_v2c, pysnmp_v3
from benchmarks.snmp_agents import Agents, agents
from device_drivers.api import Poll, SnmpTarget
from device_drivers.simcity.wired import CREDENTIALS
from device_drivers.snmp import Poller
from device_drivers.snmp_oids import NODE_PLAN
from tests.conftest import program

IN_FLIGHT = 32
PACKAGES = {"collectd": "collectd-core"}
ROUNDS = 3


def ours(found: Agents, profile: str, polls: int) -> float:
    """Microseconds of processor time per whole poll, the best of three rounds; engines and keys are known before."""
    done: list[Poll] = []
    poller = Poller(done.append, random.Random(1))
    targets = [
        SnmpTarget(f"n{at}", host, port, CREDENTIALS[profile]) for at, (host, port) in enumerate(found.addresses)
    ]

    def take(count: int) -> None:
        done.clear()
        sent = 0
        while len(done) < count:
            while sent < count and poller.in_flight() < IN_FLIGHT:
                poller.submit(targets[sent % len(targets)], NODE_PLAN, 0)
                sent += 1
            poller.step(0.1)

    take(len(targets))
    best = float("inf")
    for _round in range(ROUNDS):
        begun = time.process_time()
        take(polls)
        best = min(best, (time.process_time() - begun) / polls * 1e6)
        assert all(poll.error is None and len(poll.rows) == 8 for poll in done)
    poller.close()
    return best


def compare(name: str, own: float, target: str, factor: float, peer: str, cost: Callable[[], float] | None) -> Claim:
    """Ours as a share of a peer's cost in this run; a peer that is not there is named."""
    if cost is None:
        return Claim(name, round(own, 1), "µs CPU", target, why_missing(peer, PACKAGES.get(peer, peer)), None, None)
    theirs = cost()
    ratio = round(own / theirs, 4)
    return Claim(name, round(own, 1), "µs CPU", target, f"{peer}: {theirs:,.0f} µs", ratio, own * factor <= theirs)


def run(quick: bool) -> list[Claim]:
    """All peers over the same agents."""
    polls, slow = (1_000, 50) if quick else (6_000, 300)
    claims: list[Claim] = []
    with agents(100) as found, tempfile.TemporaryDirectory() as folder:
        v2c, v3 = ours(found, "demo-v2c", polls), ours(found, "demo-v3", polls)
        claims.append(Claim("poll, SNMPv2c", round(v2c, 1), "µs CPU", "<= 100", "none", None, v2c <= 100))
        claims.append(Claim("poll, SNMPv3 SHA/AES-128", round(v3, 1), "µs CPU", "<= 200", "none", None, v3 <= 200))
        place = Path(folder)
        for label, own, peer in (("SNMPv2c", v2c, pysnmp_v2c), ("SNMPv3", v3, pysnmp_v3)):
            cost = lambda peer=peer: peer(found, slow)  # noqa: E731 - bound per round
            claims.append(compare(f"poll, {label}, against pysnmp", own, "<= 1/40", 40, "pysnmp", cost))
        exporter, collectd = program("prometheus-snmp-exporter"), program("collectd")
        for label, own, version in (("SNMPv2c", v2c, 2), ("SNMPv3", v3, 3)):
            scrape = None
            if exporter is not None:
                (place / str(version)).mkdir()
                scrape = lambda v=version: exporter_cost(exporter, place / str(v), found, v, slow)  # noqa: E731
            name = f"poll, {label}, against prometheus-snmp-exporter"
            claims.append(compare(name, own, "<= 1/4", 4, "prometheus-snmp-exporter", scrape))
        watch = None
        if collectd is not None:
            (place / "collectd").mkdir()
            watch = lambda: collectd_cost(collectd, place / "collectd", found, 5.0 if quick else 15.0)  # noqa: E731
        claims.append(compare("poll, SNMPv2c, against collectd", v2c, "<= 1/4", 4, "collectd", watch))
    return claims


if __name__ == "__main__":
    main(run)
