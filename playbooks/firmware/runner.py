"""Drives rollouts one look at a time: what is in the store decides, so a killed runner goes on by probing only."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Executor, Future, wait
from contextlib import suppress
from dataclasses import dataclass
from functools import cache, partial
from typing import Final

from device_drivers.errors import DriverError
from local_store import firmware, rollouts
from local_store.db import Store
from local_store.rollout_rows import NodeRow, RolloutRow, WaveRow
from local_store.sqlite import Connection
from mesh_mgmt import gates
from mesh_mgmt.catalogue import unusable
from mesh_mgmt.rollout_states import FAILURES, Event, State
from mesh_mgmt.topology import Topology, dominated, immediate_dominators
from playbooks.firmware.attempt import PREPARING, Attempt
from playbooks.firmware.batches import (
    DONE,
    FLYING,
    WAITING,
    Around,
    ahead,
    alarms_near,
    choose,
    cut_by,
    gave_up,
    in_the_field,
    is_active,
    latecomers,
    may_close,
    on_their_own,
    untried,
    why_halted,
)
from playbooks.firmware.books import Books, Ports, lease_over
from playbooks.firmware.observe import FRESH_MS, as_if_up, beside
from playbooks.firmware.planning import Limits, Plan, decode
from playbooks.firmware.probing import Probing
from playbooks.firmware.shelf import ImageRefused, image_of
from playbooks.firmware.surroundings import around

LOST_SLOWER: Final = 12
"""A lost node is looked at this much more rarely."""
BLIND: Final = "(are we blind)"
AUTOMATIC: Final = frozenset({"window"})
"""Pauses that end by themselves."""


@dataclass(frozen=True, slots=True)
class Scene:
    """One rollout as one look found it; `now_ms` is taken once for everything decided on it."""

    rollout: RolloutRow
    plan: Plan
    waves: list[WaveRow]
    rows: list[NodeRow]
    graph: Callable[[], Topology]
    surroundings: Callable[[], Around]
    now_ms: int

    @property
    def topology(self) -> Topology:
        """The living graph, read when it is needed first."""
        return self.graph()

    @property
    def around(self) -> Around:
        """Alarms, backups, who is silent: read when it is needed first."""
        return self.surroundings()

    @property
    def limits(self) -> Limits:
        """The rollout's numbers."""
        return self.plan.limits

    def of(self, wave: WaveRow) -> list[NodeRow]:
        """The wave's nodes."""
        return [row for row in self.rows if row.wave == wave.wave]


class Runner:
    """Looks after every open rollout. `executor` runs what talks to nodes; with one that runs inline all is exact."""

    def __init__(self, store: Store, ports: Ports, now_ms: Callable[[], int], executor: Executor) -> None:
        self.books = Books(store, ports)
        self._store = store
        self._ports = ports
        self._now_ms = now_ms
        self._executor = executor
        self._busy: dict[str, Future[object]] = {}
        self._looked_ms: dict[str, int] = {}
        self._silent: set[str] = set()
        self._plans: dict[str, Plan] = {}

    def tick(self) -> int:
        """One look at everything; returns how many rollouts are open. Raises what a job raised."""
        for node_id, job in list(self._busy.items()):
            if job.done():
                del self._busy[node_id]
                with suppress(rollouts.Changed):
                    job.result()
        found = self._store.read(rollouts.to_look_after)
        for rollout in found:
            with suppress(rollouts.Changed):  # somebody was quicker: the next look sees what they did
                self._look_after(rollout)
        return len(found)

    def settle(self, within_s: float) -> int:
        """Call off what has not begun and wait for the rest; returns how many jobs are still in a call to a node."""
        begun = [job for job in self._busy.values() if not job.cancel()]
        return len(wait(begun, within_s).not_done)

    def _scene(self, rollout: RolloutRow, now_ms: int) -> Scene:
        plan = self._plans.get(rollout.rollout_id)
        if plan is None:
            plan = self._plans[rollout.rollout_id] = decode(rollout.plan)

        def read(cx: Connection) -> Scene:
            return Scene(
                rollouts.expect(cx, rollout.rollout_id),
                plan,
                rollouts.waves(cx, rollout.rollout_id),
                rollouts.nodes(cx, rollout.rollout_id),
                cache(lambda: beside(plan) if plan.lease_until_ms else self._store.read(self._ports.topology)),
                cache(lambda: self._store.read(lambda cx: around(cx, rollout.rollout_id, plan, now_ms))),
                now_ms,
            )

        return self._store.read(read)

    def _look_after(self, rollout: RolloutRow) -> None:
        now_ms = self._now_ms()
        scene = self._scene(rollout, now_ms)
        self._probe(scene)
        if self._silent and scene.rollout.state == "running":
            self._start(BLIND, now_ms, lambda: self._feel(scene))
        scene = self._scene(rollout, now_ms)
        if scene.rollout.state == "paused" and scene.rollout.pause_reason in AUTOMATIC:
            if gates.latest_start(scene.limits.windows, now_ms, scene.limits.batch_ms).ok:
                self.books.rollout(scene.rollout, state="running", pause_reason="", pause_detail="{}", paused_ms=None)
        elif scene.rollout.state == "running":
            self._advance(scene)

    # Probing

    def _probe(self, scene: Scene) -> None:
        """Look at every node after its flash; while paused or aborted too, since their outcome is still unknown."""
        for row in scene.rows:
            if row.state in FLYING or row.state == State.LOST:
                if scene.now_ms >= self._due_ms(scene, row):
                    self._start(row.node_id, scene.now_ms, partial(self._look, scene, row))
            else:
                self._silent.discard(row.node_id)

    def _due_ms(self, scene: Scene, row: NodeRow) -> int:
        """When to look at a node next: what is back already, or has been watched long enough, waits for no pause."""
        looked_ms = self._looked_ms.get(row.node_id)
        if looked_ms is None or (row.state == State.BOOTED and looked_ms <= row.since_ms):
            return scene.now_ms
        pause_ms = 1000 * scene.limits.probe_s * (LOST_SLOWER if row.state == State.LOST else 1)
        if row.state == State.PROVING and looked_ms < row.soak_until_ms:
            return min(looked_ms + pause_ms, row.soak_until_ms)
        return looked_ms + pause_ms

    def _look(self, scene: Scene, row: NodeRow) -> None:
        probing = Probing(self.books, scene.limits, self._now_ms, lambda node: self._path_up(scene, node))
        if probing.look(row) or row.state == State.LOST:
            self._silent.discard(row.node_id)
        else:
            self._silent.add(row.node_id)

    def _logs_in(self, node_id: str) -> bool:
        try:
            with self._ports.open_node(node_id) as node:
                node.boot()
        except DriverError:
            return False
        return True

    def _any_lives(self, names: Sequence[str]) -> bool:
        """Whether one of them answers: by a login, or where nobody can log in by a poll that is made now."""
        return any(map(self._logs_in, names)) or bool(self._ports.ask(names))

    def _all_live(self, names: Sequence[str]) -> bool:
        rest = [one for one in names if not self._logs_in(one)]
        return not rest or self._ports.ask(rest) >= set(rest)

    def _witnesses(self, scene: Scene) -> list[str]:
        """Gateways that do not restart just now; beside the mast nobody's silence says anything about another's."""
        if scene.plan.lease_until_ms:
            return []
        flying = {row.node_id for row in scene.rows if row.state in FLYING}
        return sorted(scene.topology.gateways - flying)

    def _path_up(self, scene: Scene, node_id: str) -> bool:
        """Whether everything every path to the node passes answers; a gateway has the other gateways as witnesses."""
        dominators = immediate_dominators(as_if_up(scene.topology))
        above = dominators.get(node_id, "")
        chain: list[str] = []
        while above:
            chain.append(above)
            above = dominators[above]
        if chain:
            return self._all_live(chain[::-1])
        witnesses = [one for one in self._witnesses(scene) if one != node_id]
        return not witnesses or self._any_lives(witnesses)

    def _feel(self, scene: Scene) -> None:
        """Nodes are silent: if every gateway is too, it is our own uplink, and a person says when to go on."""
        witnesses = self._witnesses(scene)
        if not witnesses or self._any_lives(witnesses):
            return
        rollout = self._store.read(lambda cx: rollouts.expect(cx, scene.rollout.rollout_id))
        if rollout.state == "running":
            self.books.pause(
                rollout, "blind", {"gateways": len(witnesses), "silent": len(self._silent)}, self._now_ms()
            )

    def _start(self, name: str, now_ms: int, job: Callable[[], object]) -> None:
        if name not in self._busy:
            self._looked_ms[name] = now_ms
            self._busy[name] = self._executor.submit(job)

    # Waves

    def _advance(self, scene: Scene) -> None:
        wave = next((wave for wave in scene.waves if wave.state != "passed"), None)
        if wave is None:
            self._finish(scene)
        elif late := latecomers(scene.rows, wave, scene.limits):
            self.books.join(wave, late)
        elif wave.state == "waiting":
            self._open(scene, wave)
        elif wave.state == "in_flight":
            self._fly(scene, wave)
        elif scene.now_ms >= (wave.soak_until_ms or 0):
            self._close(scene, wave)

    def _finish(self, scene: Scene) -> None:
        clean = all(row.state in DONE for row in scene.rows)
        state = "complete" if clean else "complete_with_exceptions"
        self.books.rollout(scene.rollout, state=state, finished_ms=scene.now_ms)

    def _open(self, scene: Scene, wave: WaveRow) -> None:
        witnesses = self._witnesses(scene)
        reachable = not witnesses or self._any_lives(witnesses)
        checks = [
            self._image_check(scene),
            gates.Check("uplink", reachable, "answers" if reachable else "silent", "a gateway answers"),
            *self._budget(scene, wave),
            gates.alarms(count := alarms_near(scene.topology, scene.of(wave), scene.around.alarmed), count),
        ]
        if self.books.gate(wave, "pre", checks, scene.now_ms):
            self.books.wave(wave, state="in_flight", started_ms=scene.now_ms)
        else:
            self._halt(scene, checks)

    def _fly(self, scene: Scene, wave: WaveRow) -> None:
        checks = self._budget(scene, wave)
        if not gates.passed(checks):
            self.books.gate(wave, "budget", checks, scene.now_ms)
            self._halt(scene, checks)
            return
        members = [row for row in scene.of(wave) if wave.batch and row.batch == wave.batch]
        active = [row for row in members if is_active(row, scene.limits, scene.now_ms)]
        if active:
            self._drive(scene, wave, active)
        else:
            self._next_batch(scene, wave)

    def _drive(self, scene: Scene, wave: WaveRow, active: list[NodeRow]) -> None:
        """Prepare the batch, stage ahead, and once everybody left is ready let them go together."""
        preparing = [row for row in active if row.state in PREPARING]
        for row in preparing:
            if row.retry_ms <= scene.now_ms:
                self._prepare(scene, row)
        for row in ahead(scene.rows, wave.wave, self._busy.keys(), scene.limits, scene.now_ms):
            self._prepare(scene, row)
        ready = [row for row in active if row.state == State.TESTED and row.node_id not in self._busy]
        if ready and not preparing and not on_their_own(scene.rows, active) and self._lets_go(scene, ready):
            attempt = Attempt(self.books, scene.limits, self._now_ms)
            for row in ready:
                self._start(row.node_id, scene.now_ms, partial(attempt.flash, row))

    def _prepare(self, scene: Scene, row: NodeRow) -> None:
        attempt = Attempt(self.books, scene.limits, self._now_ms)
        self._start(row.node_id, scene.now_ms, lambda: attempt.prepare(row))

    def _lets_go(self, scene: Scene, ready: list[NodeRow]) -> bool:
        """The last look before a batch: window, image, graph."""
        window = gates.latest_start(scene.limits.windows, scene.now_ms, scene.limits.batch_ms)
        if not window.ok:
            self.books.pause(scene.rollout, "window", _told([window]), scene.now_ms)
            return False
        over = self._store.read(lambda cx: lease_over(cx, scene.rollout, scene.plan.lease_until_ms, scene.now_ms))
        if over is not None:
            self.books.pause(scene.rollout, *over, scene.now_ms)
            return False
        image = self._image_check(scene)
        if not image.ok:
            self.books.pause(scene.rollout, "image", _told([image]), scene.now_ms)
            return False
        cut = cut_by(scene.topology, scene.rows, {row.node_id for row in ready})
        if cut:
            self.books.pause(scene.rollout, "topology", {"cut_off": sorted(cut)[:20], "count": len(cut)}, scene.now_ms)
        return not cut

    def _next_batch(self, scene: Scene, wave: WaveRow) -> None:
        if on_their_own(scene.rows):
            return
        found = choose(scene.rows, wave.wave, scene.topology, scene.limits, scene.around, scene.now_ms)
        rows = {row.node_id: row for row in scene.of(wave)}
        if found.batch:
            self.books.batch(wave, [rows[node_id] for node_id in found.batch])
            return
        waiting = [row for row in rows.values() if row.state in WAITING and not gave_up(row, scene.limits)]
        if any(row.node_id in self._busy for row in waiting):
            return
        for row in waiting:
            if row.node_id in found.held and row.retry_ms <= scene.now_ms:
                self._put_off(scene, row, found.held[row.node_id])
        if may_close(scene.waves, wave, scene.rows, scene.limits, scene.around.alone):
            until_ms = scene.now_ms + 1000 * scene.limits.wave_soak_s
            self.books.wave(wave, state="soak", soak_until_ms=until_ms)

    def _put_off(self, scene: Scene, row: NodeRow, reason: str) -> None:
        code, _, detail = reason.partition(" ")
        if code == "no_backup":
            self.books.back_up(row.node_id)
        tries = row.tries + (detail not in in_the_field(scene.rows) and code != "too_many_dark")
        retry_ms = scene.now_ms + 1000 * scene.limits.retry_s * max(1, tries)
        self.books.move(row, Event.OFFLINE, scene.now_ms, tries=tries, retry_ms=retry_ms, reason=code, detail=detail)

    def _close(self, scene: Scene, wave: WaveRow) -> None:
        agreed = scene.around.alone
        if not may_close(scene.waves, wave, scene.rows, scene.limits, agreed):
            self.books.wave(wave, state="in_flight", soak_until_ms=None)  # somebody came back meanwhile
            return
        states = [State(row.state) for row in scene.of(wave)]
        alarms = self._alarms(scene, wave)
        if not alarms.ok and scene.now_ms < (wave.soak_until_ms or 0) + FRESH_MS:
            return  # polling may not have seen yet that nodes are back
        checks = [*self._budget(scene, wave), *gates.wave_proof(states), *untried(scene.rows, wave, agreed), alarms]
        if self.books.gate(wave, "post", checks, scene.now_ms):
            self.books.wave(wave, state="passed")
        else:
            self._halt(scene, checks)

    # Gates

    def _alarms(self, scene: Scene, wave: WaveRow) -> gates.Check:
        """Alarms around the wave against those the gate saw that opened it."""
        opened = [one for one in self._store.read(lambda cx: rollouts.gates(cx, wave.rollout_id))
                  if (one.wave, one.kind, one.passed) == (wave.wave, "pre", 1)]  # fmt: skip
        seen = [one["seen"] for gate in opened[-1:] for one in json.loads(gate.checks) if one["what"] == "alarms"]
        now = alarms_near(scene.topology, scene.of(wave), scene.around.alarmed)
        return gates.alarms(int(seen[0]) if seen else now, now)

    def _budget(self, scene: Scene, wave: WaveRow) -> list[gates.Check]:
        members = [
            gates.Member(row.node_id, row.wave, row.board_name, row.uplink, State(row.state)) for row in scene.rows
        ]
        accepted = sum(one.accepted for one in scene.waves)
        failed = any(member.state in FAILURES for member in members)
        behind = dominated(immediate_dominators(as_if_up(scene.topology))) if failed else {}
        return gates.budget(members, wave.wave, scene.limits.failure_pct, accepted, behind)

    def _image_check(self, scene: Scene) -> gates.Check:
        """Every image of the plan is still trusted, its signed metadata and its file included."""
        for image in scene.plan.images:
            row = self._store.read(partial(firmware.image, sha256=image.sha256))
            why: str | None = "missing" if row is None else unusable(image_of(row), scene.now_ms)
            if why is None:
                why = self._opens(image.sha256, scene.now_ms)
            if why is not None:
                return gates.image(f"{image.version} {image.sha256[:12]} {why}")
        return gates.image(None)

    def _opens(self, sha256: str, now_ms: int) -> str | None:
        try:
            with self._ports.open_image(sha256, now_ms):
                return None
        except ImageRefused as error:
            return error.reason

    def _halt(self, scene: Scene, checks: list[gates.Check]) -> None:
        wrong = [check for check in checks if not check.ok]
        self.books.pause(scene.rollout, why_halted(wrong), _told(wrong), scene.now_ms)


def _told(checks: list[gates.Check]) -> Mapping[str, object]:
    return {check.what: f"{check.seen}, {check.wanted}" for check in checks}
