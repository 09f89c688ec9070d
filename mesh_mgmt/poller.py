"""The one mapping from a poll on the wire to what is stored of a node. Pure; remembers each node between polls."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final, Literal

import msgspec
from msgspec.structs import replace as replace_health

from device_drivers.api import Poll, SnmpValue
from device_drivers.errors import DriverError, Garbled, Refused, Stale, Unreachable, Unsupported
from local_store.records import InterfaceState, NodeState, NodeStateName
from mesh_mgmt import counters
from mesh_mgmt.health import Health, HealthLimits, Reading, judge, loss_pct
from mesh_mgmt.poll_texts import IF_UP, by_name, firmware

Measured = tuple[str, str, int, float]
"""Entity id, quantity, time in ms, value."""

Widths = Literal["wide", "narrow", "both"]
"""Of a node's octet counters: 64 bits, 32 bits, or 64 where an interface has them and 32 where not."""

BEHIND: Final = "behind:"
"""Before the node that is the cause, in the cause of an unreachable one."""
AWAY: Final = frozenset({"down", "unreachable"})
CALLS_KEPT: Final = 5
HOURS: Final = 24
HOUR_MS: Final = 3_600_000
REBOOT_SHOWN_S: Final = 600
PORT_MISSED_MS: Final = 24 * HOUR_MS
"""An interface that went down is a fault for a day; after that it is how this node is now."""
LOOPBACKS: Final = frozenset({"lo", "lo0"})
MOST_STORED: Final = 1 << 63
IF_UNKNOWN: Final = 4
"""ifOperStatus (RFC 2863); tunnels often say unknown(4), which is neither up nor down."""
FAILURES: Final[Mapping[type[DriverError], str]] = {
    Unreachable: "silent",
    Refused: "refused",
    Garbled: "garbled",
    Unsupported: "unsupported",
    Stale: "stale",
}
_ENCODE = msgspec.json.Encoder().encode


class Port(msgspec.Struct, array_like=True, gc=False):
    """Last counters of one interface, kept by ifName because indexes may change at a reboot."""

    octets_in: int | None
    octets_out: int | None
    discontinuity: int | None
    up: bool | None
    fell_ms: int | None = None
    narrow: bool = False


class Memory(msgspec.Struct, array_like=True, gc=False):
    """All that has to survive a restart of the engine to go on as if nothing had happened.

    Between polls it is kept encoded, as it is stored: a fifth of the memory for a few microseconds a poll.
    """

    health: Health
    boots: int | None = None
    host_ticks: int | None = None
    agent_ticks: int | None = None
    seen_ms: int | None = None
    wide: bool = True
    restarted: bool = False
    hour: int = 0
    history: str = ""
    ports: dict[str, Port] = {}
    calls: list[tuple[int, str]] = []
    both: bool | None = None
    """Some interfaces have no 64-bit counters: True asks for both widths, False did so in vain."""


_DECODE = msgspec.json.Decoder(Memory).decode


@dataclass(frozen=True, slots=True)
class Transition:
    """A node changed its state or the cause of it."""

    node_id: str
    before: NodeStateName
    after: NodeStateName
    cause: str
    at_ms: int


def is_back(turn: Transition) -> bool:
    """Whether the node started anew, or answers again after an outage: it may hear others than before."""
    return turn.cause == "rebooted" or (turn.before in AWAY and turn.after not in AWAY)


@dataclass(frozen=True, slots=True)
class Outcome:
    """What one poll changes."""

    state: NodeState
    samples: list[Measured]
    transition: Transition | None


class Mapper:
    """Turns polls into outcomes. `restore` takes the states of an earlier run."""

    def __init__(self, limits: HealthLimits) -> None:
        self._limits = limits
        self._last: dict[str, NodeState] = {}
        self._clients: dict[str, int] = {}
        self._widths: dict[str, Widths] = {}

    def restore(self, states: Iterable[NodeState]) -> int:
        """Go on from stored states; returns how many could not be read and begin anew."""
        broken = 0
        for state in states:
            try:
                memory = _DECODE(state.memory)
            except msgspec.DecodeError:
                broken += 1
            else:
                self._last[state.node_id] = state
                self._choose(state.node_id, memory)
                self.serves(state.node_id, state.clients)
        return broken

    def serves(self, node_id: str, clients: int | None) -> None:
        """How many clients the node has, as its tables told somebody else; part of its state from its next poll on."""
        if clients is not None:
            self._clients[node_id] = clients

    def forget(self, keep: Iterable[str]) -> None:
        """Drop the memory of nodes that left the inventory."""
        kept = set(keep)
        self._widths = {node_id: widths for node_id, widths in self._widths.items() if node_id in kept}
        self._last = {node_id: state for node_id, state in self._last.items() if node_id in kept}
        self._clients = {node_id: count for node_id, count in self._clients.items() if node_id in kept}

    def widths(self, node_id: str) -> Widths:
        """Which octet counters to ask this node for."""
        return self._widths.get(node_id, "wide")

    def _choose(self, node_id: str, memory: Memory) -> None:
        self._widths[node_id] = "narrow" if not memory.wide else "both" if memory.both else "wide"

    def handle(self, poll: Poll, now_ms: int) -> Outcome:
        """Digest one poll of the plan for its `widths`."""
        last = self._last.get(poll.node_id)
        memory = Memory(Health()) if last is None else _DECODE(last.memory)
        before = memory.health
        if poll.error is None:
            state, samples = self._answered(memory, poll, now_ms)
        else:
            state, samples = self._failed(memory, poll, poll.error, now_ms), []
        self._last[poll.node_id] = state
        self._choose(poll.node_id, memory)
        after = memory.health
        transition = None
        if (after.state, after.cause) != (before.state, before.cause):
            transition = Transition(poll.node_id, before.state, after.state, after.cause, now_ms)
        return Outcome(state, samples, transition)

    def excuse(self, node_id: str, cause: str, now_ms: int) -> NodeState | None:
        """The node is silent because `cause` is down: what it failed is forgotten, and it fails no more."""
        return self._reset(node_id, "unreachable", f"{BEHIND}{cause}", now_ms)

    def release(self, node_id: str, now_ms: int) -> NodeState | None:
        """Its cause is back: the node is judged again, from nothing."""
        return self._reset(node_id, "unknown", "", now_ms)

    def _reset(self, node_id: str, state: NodeStateName, cause: str, now_ms: int) -> NodeState | None:
        last = self._last.get(node_id)
        if last is None:
            return None
        memory = _DECODE(last.memory)
        before = memory.health
        since_ms = before.since_ms if before.state == state else now_ms
        memory.health = replace_health(before, state=state, cause=cause, since_ms=since_ms, polls=0, raw="unknown")
        fresh = replace(last, state=state, cause=cause, since_ms=since_ms, loss_pct=0.0, memory=_ENCODE(memory))
        self._last[node_id] = fresh
        return fresh

    def _failed(self, memory: Memory, poll: Poll, error: DriverError, now_ms: int) -> NodeState:
        if memory.health.state != "unreachable":  # whose parent is down has not failed
            memory.health = judge(memory.health, Reading(FAILURES[type(error)], {}), self._limits, now_ms)
        _remember_call(memory, now_ms, f"{error.word}: {error.evidence}")
        _remember_level(memory, 8 if memory.health.state == "down" else 4, now_ms)
        state = self._state(memory, poll.node_id, now_ms)
        last = self._last.get(poll.node_id)
        if last is None:
            return state
        # What was known stays to be seen with its age; a rate or a round trip would be taken for the present one.
        return replace(
            state,
            uptime_s=last.uptime_s,
            load_pct=last.load_pct,
            mem_pct=last.mem_pct,
            firmware=last.firmware,
            interfaces=last.interfaces,
        )

    def _answered(self, memory: Memory, poll: Poll, now_ms: int) -> tuple[NodeState, list[Measured]]:
        numbers = [_int(value) for value in poll.scalars]
        agent_ticks, host_ticks, boots, _, _, _, total, available, buffers, cached, _, idle = numbers
        boots = _stored(boots)
        up_ticks = agent_ticks if host_ticks is None else host_ticks
        up_before = memory.agent_ticks if host_ticks is None else memory.host_ticks
        restarted = counters.rebooted((memory.boots, up_before), (boots, up_ticks))
        seconds = None
        if not restarted and boots == memory.boots:
            seconds = counters.elapsed_s(memory.agent_ticks, agent_ticks)
        memory.boots, memory.host_ticks, memory.agent_ticks, memory.seen_ms = boots, host_ticks, agent_ticks, now_ms
        uptime_s = None if up_ticks is None else up_ticks // counters.TICKS_PER_S
        memory.restarted = restarted or (memory.restarted and uptime_s is not None and uptime_s < REBOOT_SHOWN_S)
        load_pct = None if idle is None else float(100 - min(100, max(0, idle)))
        mem_pct = _memory_pct(total, available, buffers, cached)
        samples: list[Measured] = [(poll.node_id, "rtt_ms", now_ms, round(poll.rtt_ms, 2))]
        if load_pct is not None:
            samples.append((poll.node_id, "load_pct", now_ms, load_pct))
        if mem_pct is not None:
            samples.append((poll.node_id, "mem_pct", now_ms, mem_pct))
        ports = self._ports(memory, poll, seconds, now_ms, samples)
        if restarted:
            _ask_wide_again(memory)
        fault = "rebooted" if memory.restarted else "interface_down" if _port_missed(memory, now_ms) else ""
        measures = {"rtt": poll.rtt_ms, "load": load_pct, "memory": mem_pct}
        memory.health = judge(memory.health, Reading("", measures, fault), self._limits, now_ms)
        version = "2c" if poll.engine is None else "3"
        count, table = len(numbers), f"{len(poll.rows)}x{_breadth(poll)}"
        asked = f"bulk {count} + {table}" if poll.exchanges == 1 else f"get {count} + bulk {table}"
        _remember_call(memory, now_ms, f"snmp v{version} {asked}: {poll.rtt_ms:.1f} ms")
        _remember_level(memory, min(7, int((load_pct or 0.0) / 12.5)), now_ms)
        state = self._state(memory, poll.node_id, now_ms)
        return (
            replace(
                state,
                rtt_ms=round(poll.rtt_ms, 2),
                uptime_s=uptime_s,
                boots=boots,
                load_pct=load_pct,
                mem_pct=mem_pct,
                in_bps=_total([port.in_bps for port in ports if port.name not in LOOPBACKS]),
                out_bps=_total([port.out_bps for port in ports if port.name not in LOOPBACKS]),
                firmware=firmware(poll.scalars[5]),
                interfaces=_ENCODE(ports),
            ),
            samples,
        )

    def _ports(
        self, memory: Memory, poll: Poll, seconds: float | None, now_ms: int, samples: list[Measured]
    ) -> list[InterfaceState]:
        """Rates per interface; a new Port is remembered whether or not a rate came out of it."""
        ports: list[InterfaceState] = []
        fresh: dict[str, Port] = {}
        for name, (_, octets_in, octets_out, speed, discontinuity, status, *narrow) in by_name(poll.rows).items():
            speed_mbps = speed if isinstance(speed, int) and speed > 0 else None
            port = Port(_int(octets_in), _int(octets_out), _int(discontinuity), _up(status), narrow=not memory.wide)
            if port.octets_in is None and narrow and isinstance(narrow[0], int):
                port.octets_in, port.octets_out, port.narrow = _int(narrow[0]), _int(narrow[1]), True
            last = memory.ports.get(name)
            if port.up is False and last is not None:
                port.fell_ms = now_ms if last.up else last.fell_ms
            in_bps = out_bps = None
            if last is not None and (last.discontinuity, last.narrow) == (port.discontinuity, port.narrow):
                rate = counters.rate32_bps if port.narrow else counters.rate64_bps
                in_bps = rate(last.octets_in, port.octets_in, seconds, speed_mbps)
                out_bps = rate(last.octets_out, port.octets_out, seconds, speed_mbps)
            entity = f"{poll.node_id}/{name}"
            if in_bps is not None:
                samples.append((entity, "in_bps", now_ms, round(in_bps)))
            if out_bps is not None:
                samples.append((entity, "out_bps", now_ms, round(out_bps)))
            if port.up is not None and (last is None or last.up != port.up):
                samples.append((entity, "oper_up", now_ms, float(port.up)))
            fresh[name] = port
            ports.append(InterfaceState(name, port.up, speed_mbps, in_bps, out_bps))
        if memory.wide:
            _choose_widths(memory, fresh)
        memory.ports = fresh
        return ports

    def _state(self, memory: Memory, node_id: str, now_ms: int) -> NodeState:
        health = memory.health
        return NodeState(
            node_id,
            health.state,
            health.since_ms,
            health.cause,
            memory.seen_ms,
            now_ms,
            loss_pct=loss_pct(health, self._limits),
            boots=memory.boots,
            clients=self._clients.get(node_id),
            history=memory.history,
            calls=_ENCODE(memory.calls),
            memory=_ENCODE(memory),
        )


def _breadth(poll: Poll) -> int:
    return max(map(len, poll.rows.values()), default=0)


def _remember_call(memory: Memory, now_ms: int, text: str) -> None:
    memory.calls = [*memory.calls[-(CALLS_KEPT - 1) :], (now_ms, text[:160])]


def _remember_level(memory: Memory, level: int, now_ms: int) -> None:
    """One digit an hour: 8 was down, 4 and above trouble, else the load in eighths; hours without polls are blanks."""
    hour = now_ms // HOUR_MS
    gap = hour - memory.hour if memory.history else 1
    if gap > 0:
        memory.history = (memory.history + " " * min(gap - 1, HOURS) + str(level))[-HOURS:]
        memory.hour = hour
    elif level > int(memory.history[-1]):
        memory.history = memory.history[:-1] + str(level)


def _int(value: SnmpValue) -> int | None:
    return value if isinstance(value, int) else None


def _stored(value: int | None) -> int | None:
    """None for what no column holds: an agent may answer with 64 bits where an object has 31."""
    return value if value is None or value < MOST_STORED else None


def _up(status: SnmpValue) -> bool | None:
    return None if status in (None, IF_UNKNOWN) else status == IF_UP


def _port_missed(memory: Memory, now_ms: int) -> bool:
    return any(port.fell_ms is not None and now_ms - port.fell_ms < PORT_MISSED_MS for port in memory.ports.values())


def _choose_widths(memory: Memory, ports: Mapping[str, Port]) -> None:
    """What to ask for from now on, by what these interfaces had of what was asked for."""
    missing = sum(port.octets_in is None for port in ports.values())
    if memory.both:
        # Interfaces without any counter are left alone; else the next poll would ask for them again, and so on.
        memory.both = any(port.narrow for port in ports.values())
    elif missing and missing == len(ports):
        memory.wide = False
    elif missing and memory.both is None:
        memory.both = True


def _ask_wide_again(memory: Memory) -> None:
    """A restart may have brought new software; 32-bit readings must not meet 64-bit ones."""
    memory.both = memory.both or None
    if not memory.wide:
        memory.wide = True
        for port in memory.ports.values():
            port.octets_in = port.octets_out = None


def _memory_pct(total: int | None, available: int | None, buffers: int | None, cached: int | None) -> float | None:
    """Used share without what the kernel would give back (UCD-SNMP-MIB, memTotalReal and its siblings)."""
    if not total or available is None:
        return None
    used = total - available - (buffers or 0) - (cached or 0)
    return round(100.0 * max(0, used) / total, 1)


def _total(rates: Sequence[float | None]) -> float | None:
    known = [rate for rate in rates if rate is not None]
    return round(sum(known)) if known else None
