"""Field leases: a technician's laptop does some nodes of a rollout alone, with the same state machine. No network.

The console marks the nodes and keeps its hands off them; the laptop runs its slice under the same operation ids, so
that the fence on a node stops a second flash whoever sends it. What comes back is merged by operation id.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import partial
from typing import Any, Final

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from device_drivers.capabilities import OpenNode
from device_drivers.errors import DriverError
from local_store import evidence, field_leases, firmware, nodes, oplog, rollouts
from local_store.db import Store
from local_store.errors import StoreRefused
from local_store.field_leases import LeasedNode, LeaseRow
from local_store.records import Node
from local_store.rollout_rows import EventRow, EvidenceRow, NodeRow, RolloutRow, WaveRow
from local_store.sqlite import Connection
from mesh_mgmt.rollout_states import Event, State, step
from mesh_mgmt.topology import Topology, dominated, immediate_dominators
from playbooks.firmware.batches import WAITING
from playbooks.firmware.books import CLOCK_SLACK_MS, PROVEN_BY_ROW
from playbooks.firmware.decisions import with_a_laptop
from playbooks.firmware.lease_files import FORMAT, Lease, Leased, Link, NotALease, Request, Returned
from playbooks.firmware.observe import as_if_up
from playbooks.firmware.planning import Plan, PlannedWave, decode, encode, plan_hash

LONGEST_MS: Final = 14 * 86_400_000
TRIES: Final = 100_000
RETRY_S: Final = 10
"""A laptop looks for each of its nodes until it stands beside it."""
GIVABLE: Final = frozenset({State.PENDING, State.DEFERRED})
_IDS: Final = random.SystemRandom()

CAME_BACK: Final[Mapping[State, Event]] = {
    State.CONFIRMED: Event.PROVEN,
    State.SKIPPED: Event.ALREADY_THERE,
    State.REFUSED: Event.CHECK_FAILED,
    State.UNCHANGED: Event.NEW_BOOT_OLD_VERSION,
    State.REVERTED: Event.BANK_FELL_BACK,
    State.DEGRADED: Event.UNDER_BASELINE,
    State.IDENTITY_MISMATCH: Event.OTHER_IDENTITY,
    State.LOST: Event.DEADLINE_PASSED,
    State.COMMIT_INTENT: Event.WENT_SILENT,
    State.DARK: Event.WENT_SILENT,
    State.BOOTED: Event.WENT_SILENT,
    State.PROVING: Event.WENT_SILENT,
}
"""Where the laptop left a node, and what that means at the console; in between only the console's own probe decides."""

ATTEMPT: Final = (
    "host_key", "serial", "version_before", "revision_before", "boot_id_before", "bank_before", "baseline", "path",
    "tries", "deliveries", "deadline_ms", "soak_until_ms", "boot_id_after", "reason", "detail",
)  # fmt: skip
"""What the laptop found out about a node, which the console takes over."""


UNUSED: Final[Mapping[str, Any]] = {"tries": 0, "retry_ms": 0, "reason": "", "detail": ""}
"""A node that comes back as it went waits again with all its tries."""


@dataclass(frozen=True, slots=True)
class Merged:
    """What a merge did: nodes with their new state, nodes that still wait in the field, nodes known already."""

    taken: tuple[tuple[str, str], ...]
    waiting: tuple[str, ...]
    known: tuple[str, ...]


def give(
    cx: Connection,
    rollout_id: str,
    names: Sequence[str],
    request: Request,
    *,
    topology: Topology,
    until_ms: int,
    console_key: str,
    known_host: Callable[[Node], str],
    actor: str,
    now_ms: int,
) -> Lease:
    """Mark nodes of a rollout as the laptop's and return what to write into its file. `topology` is the graph now.

    Raises StoreRefused.
    """
    rollout = rollouts.expect(cx, rollout_id)
    if rollout.state in rollouts.ENDED:
        raise StoreRefused(f"{rollout_id} is {rollout.state}: nothing of it can be given out")
    if not now_ms < until_ms <= now_ms + LONGEST_MS:
        raise StoreRefused("a lease ends in the future, and within 14 days")
    rows = [_givable(cx, rollout, name) for name in dict.fromkeys(names)]
    rows = _leaves_first(cx, rollout_id, rows, topology)
    lease_id = field_leases.next_id(cx)
    plan = _slice(decode(rollout.plan), rows, lease_id, until_ms)
    text = encode(plan)
    inventory = {node.node_id: node for node in nodes.all_nodes(cx)}
    leased = tuple(Leased(inventory[row.node_id], row, known_host(inventory[row.node_id])) for row in rows)
    for row in rows:
        _move(cx, row, Event.LEASED, now_ms, batch=0, reason="leased", detail=f"{lease_id} {request.holder}")
    field_leases.create(
        cx,
        LeaseRow(lease_id, "given", rollout_id, request.holder, request.key, plan_hash(text), now_ms, until_ms,
                 ssh_key=request.ssh_key),
        (LeasedNode(lease_id, row.node_id, row.op_id) for row in rows),
    )  # fmt: skip
    _tell(cx, lease_id, "give", {"holder": request.holder, "nodes": [row.node_id for row in rows]}, actor, now_ms)
    images = tuple(one for one in firmware.images(cx) if one.sha256 in {row.image_sha256 for row in rows})
    return Lease(
        FORMAT,
        lease_id,
        rollout_id,
        request.holder,
        request.key,
        console_key,
        now_ms,
        until_ms,
        text,
        images,
        leased,
        {},
    )


def _givable(cx: Connection, rollout: RolloutRow, name: str) -> NodeRow:
    rollout_id = rollout.rollout_id
    row = rollouts.node(cx, rollout_id, name)
    if row is None:
        raise StoreRefused(f"{name} is not in {rollout_id}: `leitstand rollout status {rollout_id}` lists its nodes")
    if row.state not in GIVABLE:
        raise StoreRefused(f"{name} is {row.state} in {rollout_id}: only a node that still waits can be given out")
    if name in (held := field_leases.held(cx)):
        raise StoreRefused(with_a_laptop(name, held[name]))
    other = rollouts.open_rollout(cx)
    elsewhere = rollouts.dark_nodes(cx).get(name)
    if elsewhere is None and other is not None and other.rollout_id != rollout_id:
        there = rollouts.node(cx, other.rollout_id, name)
        elsewhere = other.rollout_id if there is not None and there.state in WAITING else None
    if elsewhere is not None:
        raise StoreRefused(f"{elsewhere} still works on {name}: give it out after that has ended")
    return row


def _leaves_first(cx: Connection, rollout_id: str, rows: Sequence[NodeRow], topology: Topology) -> list[NodeRow]:
    """In the order in which they restart. Raises StoreRefused when one carries nodes that are still to be upgraded and
    do not go along: if it did not come back, they could not be reached any more."""
    behind = dominated(immediate_dominators(as_if_up(topology)))
    names = {row.node_id for row in rows}
    to_come = {row.node_id for row in rollouts.nodes(cx, rollout_id) if row.state in WAITING | {State.FIELD}} - names
    for row in rows:
        if others := sorted(behind.get(row.node_id, frozenset()) & to_come):
            told = ", ".join(others[:5]) + (" …" if len(others) > 5 else "")
            raise StoreRefused(
                f"{row.node_id} carries {told}, not upgraded yet: give them out with it, or give it out after them"
            )
    return sorted(rows, key=lambda row: (len(behind.get(row.node_id, ())), row.node_id))


def _slice(plan: Plan, rows: Sequence[NodeRow], lease_id: str, until_ms: int) -> Plan:
    """The plan of these nodes alone, one after the other: a technician stands beside one mast at a time."""
    chosen = {row.node_id for row in rows}
    images = {row.image_sha256 for row in rows}
    wave = PlannedWave(lease_id, tuple((row.node_id,) for row in rows), tuple(0 for _ in rows))
    return replace(
        plan,
        nodes=tuple(one for one in plan.nodes if one.node in chosen),
        waves=(wave,),
        excluded=(),
        needs=(),
        cuts=(),
        images=tuple(one for one in plan.images if one.sha256 in images),
        limits=replace(
            plan.limits, max_batch=1, windows=(), last_gateway_agreed=True, max_tries=TRIES, retry_s=RETRY_S
        ),
        lease_until_ms=until_ms,
    )


def take(cx: Connection, lease: Lease, own_key: str, actor: str, now_ms: int) -> None:
    """Make the lease a rollout of this laptop that waits for its start. Raises NotALease or StoreRefused."""
    if lease.holder_key != own_key:
        raise NotALease(f"{lease.lease_id} was given to {lease.holder} on another laptop: ask with this one's request")
    if now_ms >= lease.until_ms:
        raise NotALease(f"{lease.lease_id} has ended: ask for a new one")
    if now_ms < lease.given_ms - CLOCK_SLACK_MS:
        raise NotALease(
            f"{lease.lease_id} was given out at {_utc(lease.given_ms)}, this laptop's clock says {_utc(now_ms)}: "
            "set the clock, then take it again"
        )
    plan = decode(lease.plan)
    lease_row = LeaseRow(
        lease.lease_id, "taken", lease.rollout_id, lease.holder, lease.console_key, plan_hash(lease.plan),
        lease.given_ms, lease.until_ms,
    )  # fmt: skip
    leased = [LeasedNode(lease.lease_id, one.row.node_id, one.row.op_id) for one in lease.nodes]
    field_leases.create(cx, lease_row, leased)
    nodes.upsert_nodes(cx, (one.node for one in lease.nodes), now_ms)
    firmware.save(cx, lease.images)
    rollout = RolloutRow(
        lease.lease_id, "approved", plan.to, lease.plan, plan_hash(lease.plan), plan.topology, actor, now_ms
    )
    own = [
        NodeRow(lease.lease_id, one.node_id, one.op_id, 1, "pending", now_ms, one.board_name, one.model, one.uplink,
                one.image_sha256)
        for one in (leased.row for leased in lease.nodes)
    ]  # fmt: skip
    rollouts.create(cx, rollout, [WaveRow(lease.lease_id, 1, lease.lease_id)], own)
    _tell(cx, lease.lease_id, "take", {"holder": lease.holder, "rollout": lease.rollout_id}, actor, now_ms)


def _utc(moment_ms: int) -> str:
    return datetime.fromtimestamp(moment_ms / 1000, UTC).isoformat(timespec="minutes")


def hand_back(cx: Connection, lease_id: str, now_ms: int) -> Returned:
    """Everything this laptop did under a lease, to be signed and carried back. Raises StoreRefused."""
    lease = field_leases.expect(cx, lease_id, "taken")
    chain = evidence.of_rollout(cx, lease_id)
    return Returned(
        FORMAT,
        lease_id,
        lease.plan_hash,
        now_ms,
        tuple(rollouts.nodes(cx, lease_id)),
        tuple(rollouts.events(cx, lease_id)),
        tuple(_link(row) for row in chain),
        closed=rollouts.expect(cx, lease_id).state in rollouts.ENDED,
    )


def _link(row: EvidenceRow) -> Link:
    return Link(
        row.rollout_id, row.seq, row.node_id, row.at_ms, row.body, row.prev.hex(), row.hash.hex(), row.signature.hex()
    )


def _row(link: Link) -> EvidenceRow:
    try:
        binary = [bytes.fromhex(text) for text in (link.prev, link.hash, link.signature)]
    except ValueError as error:
        raise NotALease(f"row {link.seq} of the evidence is no hexadecimal text") from error
    return EvidenceRow(link.rollout_id, link.seq, link.node_id, link.at_ms, link.body, *binary)


def merge(cx: Connection, returned: Returned, signer: Ed25519PrivateKey, actor: str, now_ms: int) -> Merged:
    """Take over what a laptop did, node by node; what is known already changes nothing. Raises NotALease.

    Whoever calls has checked the file's signature with the lease's `peer_key`.
    """
    lease = field_leases.expect(cx, returned.lease_id, "given")
    rows = [_row(link) for link in returned.evidence]
    public = Ed25519PublicKey.from_public_bytes(bytes.fromhex(lease.peer_key))
    flaw = evidence.check(lease.lease_id, lease.plan_hash, rows, public)
    if flaw is not None or returned.plan_hash != lease.plan_hash:
        why = "another plan" if flaw is None else f"row {flaw.seq} is {flaw.reason}"
        raise NotALease(f"the evidence of {lease.lease_id} does not hold: {why}")
    proofs = {row.node_id: row for row in rows}
    leased = {one.op_id: one for one in field_leases.nodes_of(cx, lease.lease_id)}
    held = field_leases.held(cx)
    taken, waiting, known = [], [], []
    for there in returned.nodes:
        mine = leased.get(there.op_id)
        if mine is None or mine.node_id != there.node_id:
            raise NotALease(f"operation {there.op_id} on {there.node_id} is not part of {lease.lease_id}")
        here = rollouts.node(cx, lease.rollout_id, there.node_id)
        if here is None or held.get(there.node_id) != lease:  # decided, taken back, or with another laptop by now
            known.append(there.node_id)
        elif state := _take_over(cx, lease, here, there, proofs.get(there.node_id), signer, now_ms, returned.closed):
            taken.append((there.node_id, state))
        else:
            waiting.append(there.node_id)
    if returned.closed and lease.state == "out":
        field_leases.set_state(cx, lease.lease_id, "back")
    _tell(cx, lease.lease_id, "merge", {"taken": [name for name, _ in taken], "waiting": waiting}, actor, now_ms)
    return Merged(tuple(taken), tuple(waiting), tuple(known))


def _take_over(
    cx: Connection,
    lease: LeaseRow,
    here: NodeRow,
    there: NodeRow,
    proof: EvidenceRow | None,
    signer: Ed25519PrivateKey,
    now_ms: int,
    closed: bool,
) -> str:
    """Move one leased node to where the laptop left it; "" while it still waits there."""
    event = CAME_BACK.get(State(there.state), Event.RETURNED if closed else None)
    if event is None:
        return ""
    found = dict(UNUSED) if event is Event.RETURNED else {name: getattr(there, name) for name in ATTEMPT}
    if event is Event.WENT_SILENT:
        found["deadline_ms"] = _arrival_ms(cx, here, now_ms)
    moved = _move(cx, here, event, now_ms, **found)
    if proof is not None and State(moved.state) in PROVEN_BY_ROW:
        rollout = rollouts.expect(cx, lease.rollout_id)
        body = {"result": moved.state, "op_id": moved.op_id, "lease": lease.lease_id, "holder": lease.holder,
                "holder_key": lease.peer_key, "field": asdict_link(_link(proof))}  # fmt: skip
        evidence.append(cx, signer, (lease.rollout_id, rollout.plan_hash, moved.node_id), body, now_ms)
    return moved.state


def asdict_link(link: Link) -> dict[str, object]:
    """The laptop's row as a JSON object inside the console's."""
    return {name: getattr(link, name) for name in link.__struct_fields__}


def reclaim(store: Store, lease_id: str, open_node: OpenNode, actor: str, now_ms: int) -> dict[str, str]:
    """Take an ended lease's nodes back, each only after it was looked at; node -> what was found.

    Raises StoreRefused while the lease still runs: the technician may be on the ladder.
    """
    lease = store.read(lambda cx: field_leases.expect(cx, lease_id, "given"))
    if now_ms < lease.until_ms:
        raise StoreRefused(f"{lease_id} still runs: only an ended lease is taken back")
    found: dict[str, str] = {}
    for row in store.read(partial(_in_the_field, lease=lease)):
        event, values = _look(store, row, open_node, now_ms)
        if event is None:
            found[row.node_id] = str(values["reason"])
        else:
            found[row.node_id] = store.ops.write(partial(_move, row=row, event=event, now_ms=now_ms, **values)).state

    def close(cx: Connection) -> None:
        if not _in_the_field(cx, lease):
            field_leases.set_state(cx, lease_id, "reclaimed")
        _tell(cx, lease_id, "reclaim", {"found": found}, actor, now_ms)

    store.ops.write(close)
    return found


def _in_the_field(cx: Connection, lease: LeaseRow) -> list[NodeRow]:
    """The lease's nodes that are still the laptop's."""
    names = sorted(name for name, of in field_leases.held(cx).items() if of == lease)
    return [row for name in names if (row := rollouts.node(cx, lease.rollout_id, name)) is not None]


def _arrival_ms(cx: Connection, row: NodeRow, now_ms: int) -> int:
    """Until when a node the console takes over in mid-upgrade has time: the laptop's own limit may be long past."""
    return now_ms + decode(rollouts.expect(cx, row.rollout_id).plan).limits.batch_ms


def _look(store: Store, row: NodeRow, open_node: OpenNode, now_ms: int) -> tuple[Event | None, dict[str, Any]]:
    """What a look at a leased node means; None leaves it in the field with the reason."""
    image = store.read(lambda cx: firmware.image(cx, row.image_sha256))
    try:
        with open_node(row.node_id) as node:
            identity, board, fence = node.identity(), node.board(), node.fence(row.op_id)
    except DriverError as error:
        return None, {"reason": f"{type(error).__name__.lower()}: {error.evidence[:200]}"}
    if board.board_name != row.board_name:
        return Event.OTHER_IDENTITY, {"host_key": identity, "reason": "identity_mismatch", "detail": board.board_name}
    if image is not None and (board.version, board.revision) == (image.version, image.revision):
        deadline_ms = store.read(lambda cx: _arrival_ms(cx, row, now_ms))
        return Event.NEW_BOOT_NEW_VERSION, {"host_key": identity, "serial": board.serial, "deadline_ms": deadline_ms,
                                            "reason": "", "detail": ""}  # fmt: skip
    if fence.held:
        return None, {"reason": "still flashing"}
    return Event.RETURNED, dict(UNUSED)


def _move(cx: Connection, row: NodeRow, event: Event, now_ms: int, **values: Any) -> NodeRow:
    after = str(step(State(row.state), event).after)
    changed = rollouts.change_node(cx, row, state=after, since_ms=now_ms, **values)
    told = f"{changed.reason} {changed.detail}".strip()
    rollouts.record_event(cx, EventRow(row.rollout_id, row.node_id, now_ms, row.state, str(event), after, told))
    return changed


def _tell(cx: Connection, lease_id: str, what: str, values: Mapping[str, object], actor: str, now_ms: int) -> None:
    change = oplog.Change("field_lease", lease_id, what, {**values, "last": what})
    oplog.record(cx, change, actor, now_ms=now_ms, rng=_IDS)
