"""What a runner writes: every move is on disk before its effect. A newer engine makes every write here fail."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from typing import Any, Final, TypeVar

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from device_drivers.capabilities import OpenNode
from local_store import configs, evidence, firmware, rollouts
from local_store.db import Store
from local_store.errors import StoreRefused
from local_store.rollout_rows import EventRow, GateRow, NodeRow, RolloutRow, WaveRow
from local_store.sqlite import Connection
from mesh_mgmt.catalogue import unusable
from mesh_mgmt.gates import Check, passed
from mesh_mgmt.rollout_states import FINAL, TRANSITIONS, Event, State, step
from mesh_mgmt.topology import Topology
from playbooks.firmware.planning import decode
from playbooks.firmware.shelf import ImageRefused, OpenImage, image_of

UPLOADED: Final = "image.uploaded"
FLASHED: Final = "flash.sent"
POINTS: Final = (
    *dict.fromkeys(f"{move.after}.written" for move in TRANSITIONS),
    UPLOADED,
    FLASHED,
    "batch.written",
    "gate.written",
    "wave.written",
    "rollout.written",
)
"""Every point a crash can fall on: after each commit before what follows it, and after each effect on a node."""
PROVEN_BY_ROW = FINAL | {State.LOST}
"""States whose reaching is a row of signed evidence."""

Hook = Callable[[str], None]
T = TypeVar("T")
Ask = Callable[[Sequence[str]], AbstractSet[str]]
"""Has nodes polled at once, waits for the answers, and returns those that gave one."""


def nobody(_names: Sequence[str]) -> AbstractSet[str]:
    """Nothing polls here: only a login tells whether a node lives."""
    return frozenset()


def never() -> bool:
    """Nobody wants this to end."""
    return False


def no_hook(_point: str) -> None:
    """Nothing happens at any point."""


@dataclass(frozen=True, slots=True)
class Ports:
    """What a runner needs of the world. `open_image` verifies the image again before it hands it out.

    Once `stopping` says so nothing more is written and nothing more is begun: every job ends at the next of POINTS, as
    it would by a crash, and the next engine goes on by probing.
    """

    open_node: OpenNode
    open_image: OpenImage
    topology: Callable[[Connection], Topology]
    signer: Ed25519PrivateKey
    hook: Hook = no_hook
    ask: Ask = nobody
    stopping: Callable[[], bool] = never


CLOCK_SLACK_MS: Final = 600_000
"""A laptop's clock may be this much behind the console's, or be put right by this much."""


class Halted(StoreRefused):
    """The rollout was paused or ended while a node was on its way: nothing further is done to it."""


class Stopped(Halted):
    """The engine is stopping: what was under way goes on when the next one probes."""


class Books:
    """The durable side of one run of the engine. Safe to use from several threads."""

    def __init__(self, store: Store, ports: Ports) -> None:
        self.store = store
        self.ports = ports
        self.epoch = store.ops.write(rollouts.claim)
        self.sends: Counter[str] = Counter()
        """How often this engine sent the flash of each operation."""

    def _write(self, change: Callable[[Connection], T], point: str = "") -> T:
        """Write unless a newer engine has taken over or this one is stopping; then `point` is reached."""
        self._go_on()

        def write(cx: Connection) -> T:
            rollouts.guard(cx, self.epoch)
            return change(cx)

        written = self.store.ops.write(write)
        self.reached(point)
        return written

    def reached(self, point: str) -> None:
        """Something is durable, or was done to a node: a crash may fall here, and a stop does. Raises Stopped."""
        if point:
            self.ports.hook(point)
        self._go_on()

    def _go_on(self) -> None:
        if self.ports.stopping():
            raise Stopped("the engine is stopping")

    def move(
        self,
        row: NodeRow,
        event: Event,
        now_ms: int,
        *,
        proof: Mapping[str, object] | None = None,
        **values: Any,
    ) -> NodeRow:
        """Write one row of the state table, with evidence where the attempt comes to rest."""
        after = step(State(row.state), event).after

        def write(cx: Connection) -> NodeRow:
            if event is Event.INTENT_WRITTEN:
                _may_flash(cx, row, now_ms)
            changed = rollouts.change_node(cx, row, state=str(after), since_ms=now_ms, **values)
            told = f"{changed.reason} {changed.detail}".strip()
            rollouts.record_event(
                cx, EventRow(row.rollout_id, row.node_id, now_ms, row.state, str(event), str(after), told)
            )
            if after in PROVEN_BY_ROW:
                self._prove(cx, changed, proof or {}, now_ms)
            return changed

        return self._write(write, f"{after}.written")

    def note(self, row: NodeRow, **values: object) -> NodeRow:
        """Write columns of a node without moving it."""

        return self._write(lambda cx: rollouts.change_node(cx, row, **values))

    def _prove(self, cx: Connection, row: NodeRow, proof: Mapping[str, object], now_ms: int) -> None:
        rollout = rollouts.expect(cx, row.rollout_id)
        image = firmware.image(cx, row.image_sha256)
        told = {
            "result": row.state,
            "reason": row.reason,
            "detail": row.detail,
            "op_id": row.op_id,
            "image": row.image_sha256,
            "image_version": "" if image is None else f"{image.version} {image.revision}",
            "board": row.board_name,
            "host_key": row.host_key,
            "serial": row.serial,
            "before": {
                "version": row.version_before,
                "revision": row.revision_before,
                "boot_id": row.boot_id_before,
                "bank": row.bank_before,
                "health": json.loads(row.baseline),
            },
            "operator": rollout.actor,
            "approved_by": rollouts.agreed(rollouts.approvals(cx, row.rollout_id)),
            "on_call": rollouts.on_call(rollouts.approvals(cx, row.rollout_id)),
            "deliveries": row.deliveries,
            "time_source": "console",
        }
        about = (row.rollout_id, rollout.plan_hash, row.node_id)
        evidence.append(cx, self.ports.signer, about, {**told, **proof}, now_ms)

    def gate(self, wave: WaveRow, kind: str, checks: list[Check], now_ms: int) -> bool:
        """Write what a gate saw before anything acts on it; returns whether it lets through."""
        good = passed(checks)
        seen = json.dumps([{"what": c.what, "ok": c.ok, "seen": c.seen, "wanted": c.wanted} for c in checks])

        row = GateRow(wave.rollout_id, wave.wave, now_ms, kind, int(good), seen)
        self._write(lambda cx: rollouts.record_gate(cx, row), "gate.written")
        return good

    def back_up(self, node_id: str) -> None:
        """Let the configuration service read a node at once."""
        self._write(lambda cx: configs.ask_again(cx, node_id))

    def wave(self, wave: WaveRow, **values: object) -> WaveRow:
        """Write columns of a wave."""
        return self._write(lambda cx: rollouts.change_wave(cx, wave, **values), "wave.written")

    def join(self, wave: WaveRow, late: list[NodeRow]) -> None:
        """Let nodes whose own wave has passed go with this one."""

        def write(cx: Connection) -> None:
            for row in late:
                rollouts.change_node(cx, row, wave=wave.wave, batch=0)

        self._write(write, "batch.written")

    def batch(self, wave: WaveRow, members: list[NodeRow]) -> None:
        """Write who goes together next."""

        def write(cx: Connection) -> None:
            rollouts.change_wave(cx, wave, batch=wave.batch + 1)
            for row in members:
                rollouts.change_node(cx, row, batch=wave.batch + 1)

        self._write(write, "batch.written")

    def rollout(self, rollout: RolloutRow, **values: object) -> RolloutRow:
        """Write columns of a rollout."""
        return self._write(lambda cx: rollouts.change(cx, rollout, **values), "rollout.written")

    def pause(self, rollout: RolloutRow, reason: str, detail: Mapping[str, object], now_ms: int) -> None:
        """Stop opening anything new, and say why."""
        told = json.dumps(dict(detail))
        self.rollout(rollout, state="paused", pause_reason=reason, pause_detail=told, paused_ms=now_ms)

    def may_go_on(self, rollout_id: str) -> None:
        """Raise Halted unless the rollout is running."""
        found = self.store.read(lambda cx: rollouts.expect(cx, rollout_id))
        if found.state != "running":
            raise Halted(f"{rollout_id} is {found.state}")


def lease_over(cx: Connection, rollout: RolloutRow, until_ms: int, now_ms: int) -> tuple[str, dict[str, object]] | None:
    """Why a laptop may begin no flash, with the numbers: its lease has ended, or its clock stands before what it wrote
    already, so that nobody knows whether it has. `until_ms` is 0 at the console, where neither is asked."""
    if not until_ms:
        return None
    if now_ms >= until_ms:
        return "lease", {"until_ms": until_ms}
    newest_ms = max(rollout.created_ms, rollout.started_ms or 0, rollouts.newest_event_ms(cx, rollout.rollout_id))
    return ("clock", {"newest_ms": newest_ms}) if now_ms < newest_ms - CLOCK_SLACK_MS else None


def _may_flash(cx: Connection, row: NodeRow, now_ms: int) -> None:
    """Asked in the transaction that writes the intent: a pause that was committed before it holds."""
    rollout = rollouts.expect(cx, row.rollout_id)
    if rollout.state != "running":
        raise Halted(f"{row.rollout_id} is {rollout.state}: {row.node_id} is not flashed")
    over = lease_over(cx, rollout, decode(rollout.plan).lease_until_ms, now_ms)
    if over is not None:
        raise Halted(f"{row.rollout_id} may begin no flash ({over[0]}): {row.node_id} is not flashed")
    image = firmware.image(cx, row.image_sha256)
    why = "missing" if image is None else unusable(image_of(image), now_ms)
    if why is not None:
        raise ImageRefused(row.image_sha256, why, f"it is {why}")
