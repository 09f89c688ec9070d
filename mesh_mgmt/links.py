"""From what nodes say of each other to links with a state, a quality and a history. Pure; remembers between reports.

A link is a pair of interfaces. Either end may report it; it is down when every end that still reports has missed it
twice, so that one lost line breaks nothing. An end that says nothing at all says nothing about its links either: they
keep what they were, which is what the search for a cause needs.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Final

import msgspec

from device_drivers.capabilities import NeighbourSeen
from local_store.mesh_records import LinkEvent, LinkState, LinkStateName, NodeMac, UnknownEnd
from local_store.records import Node
from mesh_mgmt.health import HealthLimits, flapping
from mesh_mgmt.owners import Owners

HOUR_MS: Final = 3_600_000
HOURS: Final = 24
MISSES_DOWN: Final = 2
STALE_MS: Final = 90_000
"""An end heard longer ago than this is not heard now; batman-adv itself drops a neighbour after 200 s."""
FORGET_MS: Final = 7 * 24 * HOUR_MS
DISAGREE_PCT: Final = 40.0
BEST_DBM, WORST_DBM = -50.0, -90.0
STATES_KEPT: Final = 20
_ENCODE = msgspec.json.Encoder().encode

Measured = tuple[str, str, int, float]


class End(msgspec.Struct, array_like=True, gc=False):
    """What one end says. `misses` counts its reports since it last had the other, the first of them at
    `missed_ms`; `reports` counts all."""

    quality: float | None = None
    signal: float | None = None
    throughput: float | None = None
    misses: int = 0
    reports: int = 0
    heard_ms: int = 0
    missed_ms: int = 0


class Memory(msgspec.Struct, array_like=True, gc=False):
    """What has to survive a restart. `hours` holds (hour, reports with the link, reports in all). A round begins with
    each report of the end that is `leader`; the other one has `followed` when it reported since.

    It is kept encoded, as it is stored: a day of it is a few hundred bytes then instead of three thousand.
    """

    ends: dict[str, End]
    changes: int = 0
    raw_up: bool = True
    hours: list[tuple[int, int, int]] = []
    leader: str = ""
    followed: bool = False


_DECODE = msgspec.json.Decoder(Memory).decode


@dataclass(frozen=True, slots=True)
class Report:
    """One node's view at one time: its own addresses, everything it hears, and how many clients it serves.

    Not `whole` is a view of which a part could not be read: what it has counts, what it lacks means nothing.
    """

    node_id: str
    at_ms: int
    macs: Mapping[str, str]
    seen: Sequence[NeighbourSeen]
    clients: int | None = None
    whole: bool = True


@dataclass(slots=True)
class Outcome:
    """What one report changes. `macs` is None while the node's addresses are what they were."""

    whole: bool = True
    links: dict[str, LinkState] = field(default_factory=dict)
    events: list[LinkEvent] = field(default_factory=list)
    samples: list[Measured] = field(default_factory=list)
    unknown: list[UnknownEnd] = field(default_factory=list)
    macs: list[NodeMac] | None = None


def quality_pct(seen: NeighbourSeen) -> float | None:
    """The quality told, else what the signal suggests; a wire without a number is perfect."""
    if seen.quality_pct is not None:
        return max(0.0, min(100.0, seen.quality_pct))
    if seen.signal_dbm is not None:
        return round(max(0.0, min(100.0, 100 * (seen.signal_dbm - WORST_DBM) / (BEST_DBM - WORST_DBM))), 1)
    return 100.0 if seen.band == "wired" else None


class Links:
    """All links. `restore` takes those of an earlier run, `take` digests one report."""

    def __init__(self, limits: HealthLimits) -> None:
        self._limits = limits
        self._links: dict[str, LinkState] = {}
        self._of: dict[str, set[str]] = {}
        self._owners = Owners()
        self._moved: set[str] = set()  # nodes whose addresses are news, not told to the store yet
        self._names: dict[str, str] = {}
        self._tellers: set[str] = set()
        """Nodes that named a neighbour once; others know nothing of any, and miss nobody."""

    def restore(self, links: Iterable[LinkState], macs: Iterable[NodeMac]) -> None:
        """Go on from stored rows; a link whose memory cannot be read begins anew."""
        self._owners.restore(macs)
        for link in links:
            try:
                memory = _DECODE(link.memory)
            except msgspec.DecodeError:
                continue
            self._tellers |= {node for node, end in memory.ends.items() if end.heard_ms}
            self._keep(link)

    def set_nodes(self, nodes: Iterable[Node]) -> list[str]:
        """Take over the inventory; returns the links that go because a node of theirs did."""
        rows = list(nodes)
        known = {node.node_id for node in rows}
        self._names = {node.node_id.lower(): node.node_id for node in rows}
        for node in rows:
            self._names.setdefault(node.name.lower(), node.node_id)
        self._owners.set_nodes(rows)
        self._moved &= known
        gone = [one.link_id for one in self._links.values() if one.a not in known or one.b not in known]
        for link_id in gone:
            self._drop(link_id)
        return gone

    def links(self) -> list[LinkState]:
        """All of them."""
        return list(self._links.values())

    def count(self) -> int:
        """How many there are."""
        return len(self._links)

    def missed_ms(self, link_id: str) -> int:
        """When an end that misses the other missed it first; 0 while none does."""
        link = self._links.get(link_id)
        ends = [] if link is None else _DECODE(link.memory).ends.values()
        return max((end.missed_ms for end in ends if end.misses), default=0)

    def forget(self, now_ms: int) -> list[LinkEvent]:
        """Drop what nobody heard for a week."""
        old = [one.link_id for one in self._links.values() if now_ms - one.seen_ms > FORGET_MS]
        for link_id in old:
            self._drop(link_id)
        return [LinkEvent(now_ms, link_id, "gone") for link_id in old]

    def repeat(self, node_ids: Iterable[str]) -> None:
        """What was handed out of these nodes' addresses could not be stored."""
        self._moved |= set(node_ids)

    def learn(self, report: Report) -> None:
        """Remember the node's own addresses; done for many reports before the first is taken, none is unknown."""
        if self._owners.learn(report.node_id, self._carriers(report), whole=report.whole):
            self._moved.add(report.node_id)

    def _carriers(self, report: Report) -> dict[str, str]:
        """Each address with the interface that carries its links.

        Bridges and station interfaces share the address of a radio or port: those that hear somebody count, else the
        first. Where several do, as on a cnWave with an interface for each peer, the far end cannot know which.
        """
        used = {seen.local_ifname for seen in report.seen}
        for link in map(self._links.__getitem__, self._of.get(report.node_id, ())):
            used.add(link.a_ifname if link.a == report.node_id else link.b_ifname)
        names: dict[str, list[str]] = {}
        for ifname, mac in report.macs.items():
            names.setdefault(mac, []).append(ifname)
        carrying = {mac: [name for name in found if name in used] or found[:1] for mac, found in names.items()}
        return {mac: found[0] if len(found) == 1 else "" for mac, found in carrying.items()}

    def take(self, report: Report) -> Outcome:
        """Digest one node's view."""
        outcome = Outcome(report.whole)
        self.learn(report)
        if report.node_id in self._moved:
            self._moved.discard(report.node_id)
            own = self._owners.own(report.node_id)
            outcome.macs = [NodeMac(report.node_id, mac, ifname, report.at_ms) for mac, ifname in own]
        if report.clients is not None:
            outcome.samples.append((report.node_id, "clients", report.at_ms, float(report.clients)))
        heard: dict[str, list[NeighbourSeen]] = {}
        for seen in report.seen:
            if seen.age_ms > STALE_MS and seen.source != "lldp":
                continue  # LLDP keeps a wire for its own time to live; radios must have been heard just now
            found = self._resolve(report.node_id, seen)
            if isinstance(found, str):
                if not seen.guest:
                    outcome.unknown.append(_unknown(report, seen, found))
                continue
            far, far_ifname = found
            if far != report.node_id:
                link_id = self._identify(report, seen, far, far_ifname, outcome)
                heard.setdefault(link_id, []).append(seen)
        if heard:
            self._tellers.add(report.node_id)
        tells_all = report.whole and report.node_id in self._tellers
        missed = self._of.get(report.node_id, set()) if tells_all else set()
        for link_id in sorted(heard.keys() | missed):
            self._judge(link_id, report, heard.get(link_id, []), outcome)
        return outcome

    def _resolve(self, node_id: str, seen: NeighbourSeen) -> tuple[str, str] | str:
        """The far node and its interface, or why nobody can say."""
        everybody = self._owners.of(seen.remote_mac)
        owners = {node: ifname for node, ifname in everybody.items() if node != node_id}
        named = self._names.get(seen.remote_name.lower()) if seen.remote_name else None
        if named is not None and (named in owners or len(owners) != 1):
            return named, owners.get(named) or seen.remote_ifname
        if len(owners) == 1:
            ((far, ifname),) = owners.items()
            return far, seen.remote_ifname if seen.source == "lldp" and seen.remote_ifname else ifname
        if not owners and node_id in everybody:
            return node_id, ""
        return "several" if owners else "unknown"

    def _identify(self, report: Report, seen: NeighbourSeen, far: str, far_ifname: str, outcome: Outcome) -> str:
        """The link both ends mean: interfaces one end cannot name are taken from the other, on the same band."""
        (a, a_ifname), (b, b_ifname) = sorted([(report.node_id, seen.local_ifname), (far, far_ifname)])
        for link_id in self._of.get(report.node_id, ()):
            link = self._links[link_id]
            if (link.a, link.b) != (a, b):
                continue
            if (link.a_ifname, link.b_ifname) == (a_ifname, b_ifname):
                return link_id
            names = ((a_ifname, link.a_ifname), (b_ifname, link.b_ifname))
            if link.band == seen.band and all(one == other or not one or not other for one, other in names):
                told = replace(link, a_ifname=link.a_ifname or a_ifname, b_ifname=link.b_ifname or b_ifname)
                self._keep(told)
                return link_id
        link_id = f"{a}/{a_ifname}~{b}/{b_ifname}"
        at_ms = report.at_ms
        link = LinkState(link_id, a, a_ifname, b, b_ifname, seen.band, seen.source, "up", at_ms, at_ms, at_ms)
        self._keep(replace(link, memory=_ENCODE(Memory({}))))
        outcome.events.append(LinkEvent(at_ms, link_id, "appeared"))
        return link_id

    def _judge(self, link_id: str, report: Report, seen: Sequence[NeighbourSeen], outcome: Outcome) -> None:
        link = self._links[link_id]
        memory = _DECODE(link.memory)
        _hear(memory.ends.setdefault(report.node_id, End()), seen, report.at_ms)
        up = _is_up(list(memory.ends.values()), memory.raw_up)
        changes = memory.changes << _begins_round(memory, report.node_id)
        memory.changes = (changes | (up != memory.raw_up)) & ((1 << STATES_KEPT) - 1)
        memory.raw_up = up
        _count(memory.hours, report.at_ms // HOUR_MS, bool(seen))
        unsteady = flapping(memory.changes, link.state == "flapping", self._limits)
        state: LinkStateName = "flapping" if unsteady else "up" if up else "down"
        if state != link.state:
            outcome.events.append(LinkEvent(report.at_ms, link_id, state))
        fresh = self._latest(link, memory, seen, report.at_ms, state)
        self._keep(fresh)
        outcome.links[link_id] = fresh
        if seen and fresh.quality_pct is not None:
            outcome.samples.append((link_id, "quality_pct", report.at_ms, fresh.quality_pct))
        if seen and fresh.signal_dbm is not None:
            outcome.samples.append((link_id, "signal_dbm", report.at_ms, fresh.signal_dbm))

    def _latest(
        self, link: LinkState, memory: Memory, seen: Sequence[NeighbourSeen], at_ms: int, state: LinkStateName
    ) -> LinkState:
        a, b = memory.ends.get(link.a, End()), memory.ends.get(link.b, End())
        sources = {*link.source.split("+"), *(one.source for one in seen)}
        told = [value for value in (a.quality, b.quality) if value is not None]
        signals = [value for value in (a.signal, b.signal) if value is not None]
        speeds = [value for value in (a.throughput, b.throughput) if value is not None]
        bands = {one.band for one in seen if one.source != "lldp"}
        # An AF60 goes over to its 5 GHz backup by itself: that is no contradiction.
        band = seen[0].band if sources == {"af60"} and seen else link.band
        conflict = "" if state == "down" else "band" if bands and band not in bands else _conflict(a, b)
        return replace(
            link,
            band=band,
            source="+".join(sorted(sources)),
            state=state,
            since_ms=link.since_ms if state == link.state else at_ms,
            seen_ms=at_ms if seen else link.seen_ms,
            quality_pct=min(told, default=None),
            quality_a_pct=a.quality,
            quality_b_pct=b.quality,
            signal_dbm=min(signals, default=None),
            throughput_mbps=min(speeds, default=None),
            channel=next((one.channel for one in seen if one.channel is not None), link.channel),
            available_pct=_available(memory.hours),
            conflict=conflict,
            memory=_ENCODE(memory),
        )

    def _keep(self, link: LinkState) -> None:
        self._links[link.link_id] = link
        self._of.setdefault(link.a, set()).add(link.link_id)
        self._of.setdefault(link.b, set()).add(link.link_id)

    def _drop(self, link_id: str) -> None:
        link = self._links.pop(link_id)
        for node in (link.a, link.b):
            self._of.get(node, set()).discard(link_id)


def _hear(end: End, seen: Sequence[NeighbourSeen], at_ms: int) -> None:
    """One more report of this end; several sources of one link complete each other."""
    end.reports += 1
    if not seen:
        end.missed_ms = end.missed_ms if end.misses else at_ms
        end.misses += 1
        return
    end.misses, end.heard_ms = 0, at_ms
    told = [one for one in seen if one.quality_pct is not None] or list(seen)
    end.quality = next((value for one in told if (value := quality_pct(one)) is not None), None)
    end.signal = next((one.signal_dbm for one in seen if one.signal_dbm is not None), None)
    end.throughput = next((one.throughput_mbps for one in seen if one.throughput_mbps is not None), None)


def _begins_round(memory: Memory, node_id: str) -> bool:
    """Both ends tell of one state a round: counted apart, each would halve the weight of a change. An end that reports
    again before the leader did leads from now on."""
    if memory.leader in ("", node_id) or memory.followed:
        memory.leader, memory.followed = node_id, False
        return True
    memory.followed = True
    return False


def _is_up(ends: Sequence[End], before: bool) -> bool:
    """Up while an end has it, unless that end fell silent before the other one missed it twice."""
    missed_ms = max((end.missed_ms for end in ends if end.misses >= MISSES_DOWN), default=0)
    if any(not end.misses and end.heard_ms >= missed_ms for end in ends):
        return True
    return before and not missed_ms


def _conflict(a: End, b: End) -> str:
    """Ends that contradict each other: one hears nothing, or the qualities lie far apart."""
    if (a.reports >= MISSES_DOWN <= b.reports) and bool(a.heard_ms and not a.misses) != bool(
        b.heard_ms and not b.misses
    ):
        return "one_sided"
    if a.quality is not None and b.quality is not None and abs(a.quality - b.quality) >= DISAGREE_PCT:
        return "quality"
    return ""


def _count(hours: list[tuple[int, int, int]], hour: int, there: bool) -> None:
    if not hours or hours[-1][0] < hour:
        hours.append((hour, 0, 0))
    last, seen, asked = hours[-1]
    hours[-1] = (last, seen + there, asked + 1)
    while hours[0][0] <= hour - HOURS:
        del hours[0]


def _available(hours: Sequence[tuple[int, int, int]]) -> float:
    asked = sum(one[2] for one in hours)
    return round(100.0 * sum(one[1] for one in hours) / asked, 1) if asked else 100.0


def _unknown(report: Report, seen: NeighbourSeen, reason: str) -> UnknownEnd:
    return UnknownEnd(
        report.node_id,
        seen.local_ifname,
        seen.remote_mac,
        seen.remote_name,
        seen.source,
        seen.band,
        seen.signal_dbm,
        reason,
        report.at_ms,
        report.at_ms,
    )
