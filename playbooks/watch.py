"""Asks each node when it is due, stores what it said, opens and closes its alerts. A standing playbook."""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Callable, Mapping
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field
from queue import SimpleQueue
from typing import Final

from device_drivers.api import EngineFacts, Poll, PollPlan, SnmpCredentials
from device_drivers.errors import Unreachable
from device_drivers.snmp import Poller
from device_drivers.snmp_oids import NODE_PLAN, NODE_PLAN_32, NODE_PLAN_BOTH
from local_store import alerts, links, nodes, tally
from local_store.db import Store
from local_store.errors import StoreFull
from local_store.records import EngineMemory, NodeState
from local_store.sqlite import Connection
from local_store.telemetry import tail
from local_store.telemetry.series import SeriesIds
from mesh_mgmt import graph, hearing
from mesh_mgmt.alerting import Wrong, in_operation, reconcile
from mesh_mgmt.handed import handed
from mesh_mgmt.health import HealthLimits
from mesh_mgmt.impact import Impact, impact
from mesh_mgmt.node_alarms import NodeAlarms
from mesh_mgmt.poller import Mapper, Measured, Widths, is_back
from mesh_mgmt.roster import Roster
from mesh_mgmt.schedule import Schedule
from mesh_mgmt.topology import Topology

FLUSH_S: Final = 0.25
INVENTORY_S: Final = 2.0
GRAPH_PAUSE: Final = 50
"""Taking over a new graph waits this many times as long as it took: links come by the thousand at the start."""
STEP_S: Final = 0.05
PLANS: Final[Mapping[Widths, PollPlan]] = {"wide": NODE_PLAN, "narrow": NODE_PLAN_32, "both": NODE_PLAN_BOTH}
MOST_HELD: Final = 500_000
"""Samples kept in memory while the disk is full; the oldest beyond go, counted and said."""

Report = Callable[[Mapping[str, object]], None]


@dataclass(frozen=True, slots=True)
class WatchSettings:
    """How often and how hard nodes are asked."""

    interval_s: int = 60
    timeout_ms: int = 2000
    retries: int = 2
    max_in_flight: int = 1000
    max_per_uplink: int = 32
    limits: HealthLimits = field(default_factory=HealthLimits)


@dataclass(slots=True)
class _Batch:
    """What polls brought since the last commit."""

    states: dict[str, NodeState] = field(default_factory=dict)
    samples: list[Measured] = field(default_factory=list)
    engines: dict[str, EngineMemory] = field(default_factory=dict)
    ok: int = 0
    failed: int = 0
    turns: int = 0


class Watch:
    """One run of the poll service. `poll_now` takes node ids a person wants asked at once, `clients` how many a node
    serves, from who asks for its tables: states have one writer."""

    def __init__(
        self,
        store: Store,
        profiles: Mapping[str, SnmpCredentials],
        settings: WatchSettings,
        now_ms: Callable[[], int],
        rng: random.Random,
        poll_now: SimpleQueue[str],
        clients: SimpleQueue[tuple[str, int]] | None = None,
        back: SimpleQueue[str] | None = None,
    ) -> None:
        self._store = store
        self._now_ms = now_ms
        self._poll_now = poll_now
        self._clients = clients or SimpleQueue()
        self._back = back or SimpleQueue()
        self._ids = SeriesIds()
        self._batch = _Batch()
        self._mapper = Mapper(settings.limits)
        self._alarms = NodeAlarms(self._mapper, settings.interval_s * 1000)
        self._graph: object = None
        self._graph_at = 0.0
        self._hearing: hearing.Hearing | None = None
        schedule = Schedule(settings.interval_s * 1000, settings.max_in_flight, settings.max_per_uplink)
        self._roster = Roster(store, profiles, schedule, settings.timeout_ms, settings.retries)
        self._engines: dict[str, EngineFacts] = {}
        self._dropped = 0
        self._full = ""
        self._totals = {"ok": 0, "failed": 0}
        self._poller = Poller(self._take, rng, self._remembered_engines())

    def run(self, stop: threading.Event, report: Report) -> None:
        """Poll until stopped; whatever was received is stored before this returns."""
        self._restore()
        flushed = looked = time.monotonic()
        self._look()
        report(self._detail(0.0))
        try:
            while not stop.is_set():
                self._start_due()
                self._work()
                now = time.monotonic()
                if now - flushed >= FLUSH_S:
                    done = self._batch.ok + self._batch.failed
                    self._flush()
                    report(self._detail(done / (now - flushed)))
                    flushed = now
                if now - looked >= INVENTORY_S:
                    self._look()
                    looked = now
            self._flush()
        finally:
            self._poller.close()
            self._roster.close()

    def _work(self) -> None:
        """Let polls proceed until it is worth while to start the next ones; at once where some wait for their place."""
        if self._roster.schedule.waiting():
            self._poller.step(STEP_S)
        else:
            self._poller.work(STEP_S)

    def _remembered_engines(self) -> dict[str, EngineFacts]:
        """Facts of an earlier run on this run's monotonic clock."""
        wall, mono = self._now_ms(), int(time.monotonic() * 1000)
        stored = self._store.telemetry.write(nodes.load_engines)
        return {
            node_id: EngineFacts(row.engine_id, row.boots, row.time_s, mono - (wall - row.learned_ms))
            for node_id, row in stored.items()
        }

    def _restore(self) -> None:
        """Go on from the stored states and make the alerts equal to them."""
        states = self._store.telemetry.write(nodes.load_states)
        self._store.telemetry.write(self._ids.load)
        self._mapper.restore(states.values())
        known = {node.node_id for node in self._store.ops.write(nodes.all_nodes)}
        open_now = self._store.ops.write(alerts.open_alerts)
        shared = [alert.entity_id for alert in open_now if alert.entity_kind == "mesh"]
        told = {alert.entity_id for alert in open_now if alert.entity_kind == "node"}
        living = [state for state in states.values() if state.node_id in known]
        self._alarms.restore(living, shared, self._now_ms(), told)
        self._reconcile([("node", node_id) for node_id in states.keys() - known], [])

    def _look(self) -> None:
        """Take over what others changed: the inventory, the links, who is in maintenance or in a rollout."""
        self._read_inventory()
        self._read_graph()
        now_ms = self._now_ms()
        self._alarms.set_operation(self._store.read(lambda cx: in_operation(cx, now_ms)))

    def _read_graph(self) -> None:
        began = time.monotonic()
        if began < self._graph_at:
            return
        ops, telemetry = self._store.ops, self._store.telemetry
        version = (self._roster.version, ops.write(links.versions), telemetry.write(tally.links))
        if version != self._graph:
            self._graph = version
            self._alarms.set_graph(self._store.read(self._live))
            ended = time.monotonic()
            self._graph_at = ended + GRAPH_PAUSE * (ended - began)

    def _live(self, cx: Connection) -> Topology:
        return graph.live(self._roster.rows, links.each_link(cx), links.declared(cx), self._alarms.failing)

    def _impact_of(self, lost: AbstractSet[str]) -> Impact:
        if self._hearing is None:
            self._hearing = self._store.read(lambda cx: hearing.current(cx, self._roster.rows))
        return impact(lost, self._roster.rows, self._hearing)

    def _read_inventory(self) -> None:
        """Take over nodes that came, changed or left; cheap when none did."""
        change = self._roster.look(self._now_ms())
        if change is None:
            return
        self._mapper.forget(self._roster.targets)
        for node_id in change.gone:
            self._engines.pop(node_id, None)
            self._batch.states.pop(node_id, None)
        if change.gone:
            self._reconcile([("node", node_id) for node_id in change.gone], [])

    def _start_due(self) -> None:
        now_ms = self._now_ms()
        for one in self._roster.schedule.due(now_ms):
            self._submit(one.node_id, one.due_ms)
        for node_id in handed(self._poll_now):
            if node_id in self._roster.targets:
                self._submit(node_id, now_ms)
        for node_id, count in handed(self._clients):
            if node_id in self._roster.targets:
                self._mapper.serves(node_id, count)

    def _submit(self, node_id: str, due_ms: int) -> None:
        target = self._roster.numeric(node_id)
        if target is None:
            self._nowhere(node_id, due_ms)
        else:
            self._poller.submit(target, PLANS[self._mapper.widths(node_id)], due_ms)

    def _nowhere(self, node_id: str, due_ms: int) -> None:
        """A name without an address is a failed poll; one that is still looked up is asked in its next slot."""
        self._roster.schedule.finished(node_id)
        if self._roster.nameless(node_id):
            error = Unreachable(node_id, f"{self._roster.targets[node_id].host} has no address")
            self._take(Poll(node_id, due_ms, 0.0, 0, error=error))

    def _take(self, poll: Poll) -> None:
        """Digest one finished poll into the batch."""
        now_ms = self._now_ms()
        self._roster.schedule.finished(poll.node_id)
        if poll.node_id not in self._roster.targets:
            return
        batch = self._batch
        outcome = self._mapper.handle(poll, now_ms)
        changed = outcome.transition is not None
        if outcome.transition is not None and is_back(outcome.transition):
            self._back.put(poll.node_id)
        batch.turns += changed
        batch.states[poll.node_id] = self._alarms.saw(poll, outcome.state, changed=changed, now_ms=now_ms)
        batch.samples += outcome.samples
        if poll.error is None:
            batch.ok += 1
        else:
            batch.failed += 1
        if poll.engine is not None and self._is_news(poll.node_id, poll.engine):
            row = EngineMemory(poll.node_id, poll.engine.engine_id, poll.engine.boots, poll.engine.time_s, now_ms)
            batch.engines[poll.node_id] = row

    def _is_news(self, node_id: str, engine: EngineFacts) -> bool:
        known = self._engines.get(node_id)
        self._engines[node_id] = engine
        return known is None or (known.engine_id, known.boots) != (engine.engine_id, engine.boots)

    def _flush(self) -> None:
        """One telemetry transaction for everything since the last, then the alerts of what changed."""
        batch = self._batch
        self._judge()
        if not batch.states:
            return
        try:
            self._store.measure(lambda cx: self._write(cx, batch))
        except StoreFull as error:
            self._ids.forget()
            self._full = str(error)
            self._hold(batch)
            return
        self._ids.settle()
        self._full = ""
        self._totals["ok"] += batch.ok
        self._totals["failed"] += batch.failed
        self._batch = _Batch()
        settled = self._alarms.settle(self._impact_of)
        self._hearing = None
        self._reconcile(settled.scope, settled.wrong)

    def _judge(self) -> None:
        """What the silence of some nodes means, and whom to ask before anything is said of them."""
        states, probe = self._alarms.judge(self._now_ms())
        self._batch.states |= {state.node_id: state for state in states}
        self._batch.turns += len(states)
        for node_id in probe:
            if node_id in self._roster.targets:
                self._submit(node_id, self._now_ms())

    def _hold(self, batch: _Batch) -> None:
        """The disk is full: keep the latest states, and as many samples as memory may hold."""
        surplus = len(batch.samples) - MOST_HELD
        if surplus > 0:
            del batch.samples[:surplus]
            self._dropped += surplus

    def _write(self, cx: Connection, batch: _Batch) -> None:
        number = self._ids.number
        rows = [(number(cx, (entity, what)), t_ms, value) for entity, what, t_ms, value in batch.samples]
        tail.append(cx, rows)
        nodes.save_states(cx, batch.states.values())
        nodes.save_engines(cx, batch.engines.values())
        counts = {"polls_ok": batch.ok, "polls_failed": batch.failed, "state_changes": batch.turns}
        tally.add(cx, {**counts, "measurements": len(rows)})

    def _reconcile(self, scope: list[tuple[str, str]], wrong: list[Wrong]) -> None:
        if scope:
            self._store.ops.write(lambda cx: reconcile(cx, scope, wrong, self._now_ms()))

    def _detail(self, per_s: float) -> dict[str, object]:
        detail: dict[str, object] = {
            "nodes": len(self._roster.targets),
            "ok": self._totals["ok"],
            "failed": self._totals["failed"],
            "per_s": round(per_s, 1),
            "in_flight": self._poller.in_flight(),
            "waiting": self._roster.schedule.waiting(),
            "skipped": self._roster.schedule.skipped(),
            "samples_dropped": self._dropped,
            "store_full": self._full,
        }
        if self._roster.missing:
            detail["without_profile"] = [f"{node_id} ({profile})" for node_id, profile in self._roster.missing[:20]]
        return detail
