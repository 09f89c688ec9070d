"""Asks every node whom it hears and keeps the links of the mesh: SNMP first, SSH where SNMP tells nothing."""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from queue import SimpleQueue
from typing import Final

from device_drivers import mesh_tables
from device_drivers.api import Poll, PollPlan, SnmpCredentials, SnmpTarget
from device_drivers.capabilities import NeighbourSeen
from device_drivers.mesh_parse import NotUnderstood
from device_drivers.snmp import Poller
from local_store import alerts, links, nodes, tally
from local_store.db import Store
from local_store.errors import StoreFull
from local_store.mesh_records import LinkEvent, LinkState
from local_store.records import Sample
from local_store.sqlite import Connection
from local_store.telemetry import tail
from local_store.telemetry.series import SeriesIds
from mesh_mgmt.alerting import in_operation, link_wrong, reconcile
from mesh_mgmt.complaints import Complaints
from mesh_mgmt.graph import REDUNDANT_PCT, live
from mesh_mgmt.handed import handed
from mesh_mgmt.health import HealthLimits
from mesh_mgmt.links import Links, Outcome, Report
from mesh_mgmt.places import places
from mesh_mgmt.roster import Roster
from mesh_mgmt.schedule import Schedule
from mesh_mgmt.shells import OpenShell, Shells

FLUSH_S: Final = 1.0
INVENTORY_S: Final = 5.0
STEP_S: Final = 0.05
FIRST_SWEEP_S: Final = 45.0
"""At the start everybody is asked at once; reports wait for each other so that every MAC has its owner."""
AT_ONCE: Final = 500
"""Reports in one transaction: thousands wait at the end of the first sweep, and polls want to be stored in between."""
PLACE_PAUSE: Final = 100
"""Working out all places waits this many times as long as it took: 10,000 nodes are placed each ten seconds or so."""
TIDY_S: Final = 3600.0
HISTORY_MS: Final = 400 * 86_400_000

Tell = Callable[[Mapping[str, object]], None]


@dataclass(frozen=True, slots=True)
class MeshSettings:
    """How often nodes are asked for their neighbours, and how hard. At the start `first_per_s` nodes are."""

    interval_s: float = 300
    timeout_ms: int = 2000
    retries: int = 2
    max_in_flight: int = 64
    max_per_uplink: int = 8
    first_per_s: int = 250
    limits: HealthLimits = field(default_factory=HealthLimits)


@dataclass(slots=True)
class _Round:
    """One node's tables, one after the other."""

    target: SnmpTarget
    due_ms: int
    left: list[PollPlan] = field(default_factory=list)
    asked: PollPlan | None = mesh_tables.INTERFACES_PLAN
    known: mesh_tables.Identity | None = None
    macs: dict[str, str] = field(default_factory=dict)
    seen: list[NeighbourSeen] = field(default_factory=list)
    clients: int | None = None
    tells_mesh: bool = False
    odd: int = 0


class Mesh:
    """One run of the mesh service. `open_node` is None where no SSH login is configured; `clients` takes how many a
    node serves, for the poll service, which alone writes states."""

    def __init__(
        self,
        store: Store,
        profiles: Mapping[str, SnmpCredentials],
        settings: MeshSettings,
        now_ms: Callable[[], int],
        rng: random.Random,
        open_node: OpenShell | None = None,
        clients: SimpleQueue[tuple[str, int]] | None = None,
        back: SimpleQueue[str] | None = None,
    ) -> None:
        self._store = store
        self._settings = settings
        self._now_ms = now_ms
        self._shells = None if open_node is None else Shells(open_node, now_ms, int(settings.interval_s * 1000))
        self._clients = clients or SimpleQueue()
        self._back = back or SimpleQueue()
        self._links = Links(settings.limits)
        schedule = Schedule(int(settings.interval_s * 1000), settings.max_in_flight, settings.max_per_uplink)
        self._roster = Roster(store, profiles, schedule, settings.timeout_ms, settings.retries)
        self._first: list[str] = []
        self._unnamed: list[str] = []
        self._first_ms = 0
        self._swept_until = 0.0
        self._puzzled: dict[str, set[str]] = {}
        """MACs nobody owns, and who hears them: asked again as soon as one gets an owner."""
        self._rounds: dict[str, _Round] = {}
        self._reports: list[Report] = []
        self._ids = SeriesIds()
        self._placed: object = None
        self._place_at = 0.0
        self._silent: dict[str, int] = {}
        self._turns: int | None = None
        self._totals = {"garbled": 0, "failed": 0, "reports": 0, "by_ssh": 0}
        self._complaints = Complaints()
        self._poller = Poller(self._take, rng, remember=False)

    def run(self, stop: threading.Event, report: Tell) -> None:
        """Ask until stopped; what was heard is stored before this returns."""
        self._restore()
        self._read_inventory()
        flushed = looked = time.monotonic()
        tidied = -TIDY_S
        self._swept_until = flushed + FIRST_SWEEP_S
        report(self._detail())
        try:
            while not stop.is_set():
                self._start_due()
                self._poller.work(STEP_S)
                if self._shells is not None:
                    self._take_ssh(self._shells)
                now = time.monotonic()
                if not self._first and not self._rounds:
                    self._swept_until = now
                if now - flushed >= FLUSH_S and now >= self._swept_until:
                    self._flush()
                    self._place()
                    report(self._detail())
                    flushed = now
                if now - looked >= INVENTORY_S:
                    self._read_inventory()
                    looked = now
                if now - tidied >= TIDY_S:
                    self._tidy()
                    tidied = now
            self._flush()
        finally:
            self._poller.close()
            self._roster.close()
            if self._shells is not None:
                self._shells.close()

    def _restore(self) -> None:
        store = self._store
        self._links.restore(store.telemetry.write(links.load_links), store.telemetry.write(links.load_macs))
        store.telemetry.write(self._ids.load)

    def _read_inventory(self) -> None:
        change = self._roster.look(self._now_ms())
        if change is None:
            return
        self._first += sorted(change.came)
        if len(self._first) > self._settings.max_in_flight:
            self._swept_until = time.monotonic() + FIRST_SWEEP_S
        gone = self._links.set_nodes(self._roster.rows)
        if gone:
            self._store.telemetry.write(lambda cx: links.forget_links(cx, gone))
            self._alarm(gone, [])

    def _start_due(self) -> None:
        now_ms = self._now_ms()
        for one in self._roster.schedule.due(now_ms):
            self._begin(one.node_id, one.due_ms)
        for node_id in handed(self._back):
            if node_id in self._roster.targets:
                self._first.append(node_id)
                if self._shells is not None:
                    self._shells.forgive(node_id)
        self._first, self._unnamed = self._first + self._unnamed, []
        pause_ms = 1000 // self._settings.first_per_s
        self._first_ms = min(now_ms, max(self._first_ms, now_ms - 1000))  # a clock that was set back stops nothing
        while self._first and self._first_ms < now_ms and len(self._rounds) < self._settings.max_in_flight:
            self._first_ms += pause_ms
            self._begin(self._first.pop(), now_ms)

    def _begin(self, node_id: str, due_ms: int) -> None:
        if node_id not in self._roster.targets or node_id in self._rounds:
            return
        target = self._roster.numeric(node_id)
        if target is None:
            self._roster.schedule.finished(node_id)
            if not self._roster.nameless(node_id):
                self._unnamed.append(node_id)  # its name is looked up by now; a failure is the poll service's to tell
            return
        self._rounds[node_id] = _Round(target, due_ms)
        self._poller.submit(target, mesh_tables.INTERFACES_PLAN, due_ms)

    def _take(self, poll: Poll) -> None:
        """One table came, or did not: then the node's whole round counts for nothing."""
        current = self._rounds.get(poll.node_id)
        if current is None or current.asked is None:
            return
        if poll.error is not None:
            self._end(poll.node_id, "failed", "")
            return
        try:
            self._read(current, poll)
        except NotUnderstood as error:
            self._end(poll.node_id, "garbled", str(error))
            return
        if current.left:
            current.asked = current.left.pop(0)
            self._poller.submit(current.target, current.asked, current.due_ms)
        else:
            self._finish(poll.node_id, current)

    def _read(self, current: _Round, poll: Poll) -> None:
        if current.known is None:
            current.known = mesh_tables.identity(poll)
            current.macs = dict(current.known.macs)
            current.left = list(mesh_tables.plans_for(current.known.object_id))
        elif current.asked is not None:
            sound, odd = mesh_tables.without_odd(current.asked, poll)
            current.odd += odd
            heard = mesh_tables.heard(current.asked, sound, current.known)
            current.seen += heard.seen
            current.macs |= heard.macs
            current.clients = heard.clients if heard.clients is not None else current.clients
            current.tells_mesh |= heard.tells_mesh

    def _finish(self, node_id: str, current: _Round) -> None:
        """Clients and wires say nothing of the radios: who publishes no mesh is asked for it over SSH."""
        self._complaints.rows(node_id, current.odd)
        report: Report | None = Report(node_id, self._now_ms(), current.macs, current.seen, current.clients)
        if self._shells is not None and report is not None and not current.tells_mesh:
            report = self._shells.ask(report)
        self._end(node_id, "" if report is None else "reports", "")
        if report is not None:
            self._reports.append(report)
            if report.whole:
                self._complaints.whole(node_id, "")

    def _end(self, node_id: str, outcome: str, evidence: str) -> None:
        self._rounds.pop(node_id, None)
        self._roster.schedule.finished(node_id)
        if outcome:
            self._totals[outcome] += 1
        if evidence:
            self._complaints.whole(node_id, evidence)

    def _take_ssh(self, shells: Shells) -> None:
        for told in shells.answers():
            self._totals["failed" if told.trouble else "by_ssh"] += 1
            self._reports.append(told.report)
            self._complaints.whole(told.report.node_id, "" if told.report.whole else told.trouble)

    def _flush(self) -> None:
        """Addresses of all reports since the last time first, then what they are needed for, some at a time."""
        told = [one for one in self._reports if one.node_id in self._roster.targets]
        self._reports = []
        again: set[str] = set()
        for one in told:
            self._links.learn(one)
            for mac in one.macs.values():
                again |= self._puzzled.pop(mac, set())
        self._first += again - {one.node_id for one in told}
        for at in range(0, len(told), AT_ONCE):
            self._keep(told[at : at + AT_ONCE])

    def _keep(self, told: list[Report]) -> None:
        outcomes = [(one.node_id, self._links.take(one)) for one in told]
        try:
            self._store.measure(lambda cx: self._write(cx, outcomes))
        except StoreFull:
            self._ids.forget()
            self._links.repeat(one.node_id for one in told)
            return  # the next reports say it again; the poll service tells of the full disk
        self._ids.settle()
        for one in told:
            if one.clients is not None:
                self._clients.put((one.node_id, one.clients))
        for node_id, outcome in outcomes:
            for end in outcome.unknown:
                self._puzzled.setdefault(end.mac, set()).add(node_id)
        changed = {link_id: link for _, one in outcomes for link_id, link in one.links.items()}
        self._alarm(changed, changed.values())

    def _write(self, cx: Connection, outcomes: Iterable[tuple[str, Outcome]]) -> None:
        samples: list[Sample] = []
        latest: dict[str, LinkState] = {}
        events: list[LinkEvent] = []
        for node_id, one in outcomes:
            latest |= one.links
            events += one.events
            samples += [Sample(self._ids.number(cx, (link, what)), at, value) for link, what, at, value in one.samples]
            links.replace_unknown(cx, node_id, one.unknown, whole=one.whole)
            if one.macs is not None:
                links.replace_macs(cx, node_id, one.macs)
        links.save_links(cx, latest.values())
        links.add_events(cx, events)
        tail.append(cx, samples)
        tally.add(cx, {"measurements": len(samples), "link_changes": len(events)})

    def _place(self) -> None:
        """Work out where every node stands when the graph, the inventory or who is silent changed."""
        began = time.monotonic()
        if began < self._place_at:
            return
        store = self._store
        self._look_who_is_silent()
        version = (
            self._roster.version,
            store.ops.write(links.versions),
            store.telemetry.write(tally.links),
            frozenset(self._silent),
        )
        if version == self._placed:
            return
        self._placed = version
        declared = store.ops.write(links.declared)
        found = places(live(self._roster.rows, self._links.links(), declared, self._silent, REDUNDANT_PCT))
        store.telemetry.write(lambda cx: links.replace_places(cx, found))
        ended = time.monotonic()
        self._place_at = ended + PLACE_PAUSE * (ended - began)

    def _look_who_is_silent(self) -> None:
        """Reading the states of 10,000 nodes takes 50 ms: only when the poll service counted a new one."""
        turns = self._store.telemetry.write(tally.turns)
        if turns != self._turns:
            self._turns = turns
            self._silent = self._store.telemetry.write(nodes.silent_since)

    def _alarm(self, link_ids: Iterable[str], changed: Iterable[LinkState]) -> None:
        """A link that broke or keeps changing wants somebody, if both its ends are well and in nobody's hands."""
        broken = [link for link in changed if link.state != "up"]
        ends = {end for link in broken for end in (link.a, link.b)}
        if ends:
            ends -= self._store.read(lambda cx: in_operation(cx, self._now_ms()))
        well = self._store.telemetry.write(lambda cx: nodes.answered(cx, ends)) if ends else {}
        judged = (link_wrong(link, self._links.missed_ms(link.link_id), well) for link in broken)
        wrong = [one for one in judged if one is not None]
        scope = [("link", link_id) for link_id in link_ids]
        still = self._store.read(lambda cx: alerts.open_among(cx, scope))
        if wrong or still:
            self._store.ops.write(lambda cx: reconcile(cx, scope, wrong, self._now_ms()))

    def _tidy(self) -> None:
        self._puzzled.clear()
        now_ms = self._now_ms()
        events = self._links.forget(now_ms)
        gone = [one.link_id for one in events]
        self._store.telemetry.write(lambda cx: _forget(cx, events, now_ms))
        if gone:
            self._alarm(gone, [])

    def _detail(self) -> dict[str, object]:
        known = self._roster.targets
        counts = {"nodes": len(known), "links": self._links.count(), **self._totals}
        waiting = {} if self._shells is None else {"ssh_waiting": self._shells.waiting()}
        return {**self._complaints.detail(known), **counts, **waiting}


def _forget(cx: Connection, events: list[LinkEvent], now_ms: int) -> None:
    links.forget_links(cx, [one.link_id for one in events])
    links.add_events(cx, events)
    links.prune_events(cx, now_ms - HISTORY_MS)
    tally.add(cx, {"link_changes": len(events)})
