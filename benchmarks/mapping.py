"""What it costs to turn a poll into rows, to decide who is due, and to take a trap: our own part of the engine."""

from __future__ import annotations

import time
from collections.abc import Callable

from benchmarks.claim import Claim, main
from device_drivers.api import EngineFacts, Poll, SnmpCredentials
from device_drivers.snmp_ber import OID
from device_drivers.snmp_codec import TRAP, V2C, bind, community_message, pdu, value_tlv
from device_drivers.snmp_gate import SNMP_TRAP_OID, SNMP_TRAPS, Gate, Sender
from mesh_mgmt.health import HealthLimits
from mesh_mgmt.poller import Mapper
from mesh_mgmt.schedule import Schedule

NODES = 10_000
INTERFACES = 8
MINUTE = 60_000
START = 1_760_000_000_000
ENGINE = EngineFacts(b"\x80\x00\x00\x00\x01", 1, 1, 0)


def poll(node: int, minute: int) -> Poll:
    """What a mesh node with eight interfaces answers."""
    ticks = 1_000_000 + minute * 6000
    memory = (500_000, 200_000, 10_000, 90_000)
    scalars = (ticks, ticks, 1, ticks // 100, b"node", b"OpenWrt 23.05.3 r23809", *memory, 50, 90 - (node + minute) % 9)
    rows = {
        (at,): (b"wlan%d" % at, 10**12 + minute * 750_000 * at, 10**12 + minute * 85_000 * at, 1000, 0, 1)
        for at in range(1, INTERFACES + 1)
    }
    return Poll(f"ge-bue-{node:05}", START + minute * MINUTE, 3.21 + node % 5, 2, scalars, rows, ENGINE)


def cpu_us(times: int, work: Callable[[], object]) -> float:
    """CPU microseconds per unit, of `times` units done by one call."""
    before = time.process_time()
    work()
    return (time.process_time() - before) / times * 1e6


def mapping(nodes: int, rounds: int) -> float:
    """The best round: the others had a neighbour on the processor."""
    mapper = Mapper(HealthLimits())
    best = float("inf")
    for minute in range(rounds + 1):
        polls = [poll(node, minute) for node in range(nodes)]

        def take(polls: list[Poll] = polls) -> None:
            for one in polls:
                mapper.handle(one, one.due_ms)

        spent = cpu_us(nodes, take)
        best = min(best, spent) if minute else best
    return best


def deciding(minutes: int) -> float:
    """Ten thousand nodes, asked and answered, looked at ten times a second."""
    schedule = Schedule(MINUTE)
    schedule.set_nodes([(f"ge-bue-{node:05}", f"up-{node % 500}") for node in range(NODES)], START)

    def pass_time() -> None:
        for tenth in range(minutes * 600):
            for one in schedule.due(START + tenth * 100):
                schedule.finished(one.node_id)

    return cpu_us(minutes * NODES, pass_time)


def gate(traps: int) -> float:
    """The part of a trap that strangers can make us do."""
    found = Gate(b"\x80\x00\x00\x00\x05ours")
    found.know([Sender("ge-bue-00001", "10.0.0.1", SnmpCredentials("2c", "street"))])
    kind = bind(SNMP_TRAP_OID, value_tlv(OID, (*SNMP_TRAPS, 3)))
    raw = community_message(V2C, b"public", pdu(TRAP, 1 << 24, 0, 0, [kind]))
    return cpu_us(traps, lambda: [found.look(raw, "10.0.0.9") for _ in range(traps)])


def run(quick: bool) -> list[Claim]:
    """Three figures; their sum with the codec's and the store's is the engine."""
    mapped = mapping(500 if quick else 2000, 3 if quick else 6)
    decided = deciding(1 if quick else 5)
    refused = gate(2000 if quick else 20_000)
    return [
        Claim("a poll of 8 interfaces becomes state and samples, CPU", mapped, "us", "<= 60", "", None, mapped <= 60),
        Claim("a node of 10,000 is found due, CPU", decided, "us", "<= 10", "", None, decided <= 10),
        Claim("a trap of a stranger is turned away, CPU", refused, "us", "<= 50", "", None, refused <= 50),
    ]


if __name__ == "__main__":
    main(run)
