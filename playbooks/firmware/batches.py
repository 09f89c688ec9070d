"""Who may go next: eligible nodes of a wave on the living graph, and whether a batch is still safe. Pure, no I/O."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field
from typing import Final

from local_store.rollout_rows import NodeRow, WaveRow
from mesh_mgmt.gates import Check, dark, passed, redundancy
from mesh_mgmt.rollout_order import Candidate, order
from mesh_mgmt.rollout_states import FINAL, State
from mesh_mgmt.topology import Topology, dominated, immediate_dominators, reachable, thinned
from mesh_mgmt.waves import CANARY
from playbooks.firmware.observe import without
from playbooks.firmware.planning import Limits

DONE: Final = frozenset({State.CONFIRMED, State.SKIPPED})
WAITING: Final = frozenset({State.PENDING, State.PRECHECK, State.STAGING, State.STAGED, State.TESTED, State.DEFERRED})
FLYING: Final = frozenset({State.COMMIT_INTENT, State.DARK, State.BOOTED, State.PROVING})
CANARIES: Final = "canaries"
"""The check that a board's canaries proved it; a person who lets it go on without is noted under this name too."""
SETTLED: Final = FINAL | {State.LOST, State.DEFERRED, State.FIELD}


@dataclass(frozen=True, slots=True)
class Next:
    """The next batch, and waiting nodes that cannot go now with the code of the reason."""

    batch: tuple[str, ...]
    held: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Around:
    """What the choice looks at beside rows and graph. `listed` is what the plan says hangs on one way meanwhile."""

    alarmed: AbstractSet[str] = frozenset()
    unsaved: AbstractSet[str] = frozenset()
    silent: AbstractSet[str] = frozenset()
    district_of: Mapping[str, str] = field(default_factory=dict)
    listed: AbstractSet[str] = frozenset()
    alone: AbstractSet[str] = frozenset()
    """Boards that go on although no canary proved them: one node of each at a time until one is proven."""


def in_the_field(rows: Iterable[NodeRow]) -> set[str]:
    """Nodes a technician's laptop does: whatever hangs above them waits as long as that takes."""
    return {row.node_id for row in rows if row.state == State.FIELD}


def on_their_own(rows: Iterable[NodeRow], batch: Sequence[NodeRow] = ()) -> bool:
    """Whether nodes outside `batch` are on their way: a laptop left them in mid-upgrade, or they were lost and are seen
    again. Nothing else restarts and no wave closes before their outcome is known."""
    return any(row.state in FLYING and row not in batch for row in rows)


def gave_up(row: NodeRow, limits: Limits) -> bool:
    """Whether a node that could not be prepared has had its tries."""
    return row.state == State.DEFERRED and row.tries >= limits.max_tries


def is_active(row: NodeRow, limits: Limits, now_ms: int) -> bool:
    """Whether a member of the batch under way still has to be brought on; one put off comes back when it is due."""
    if row.state == State.DEFERRED:
        return row.retry_ms <= now_ms and not gave_up(row, limits)
    return row.state not in SETTLED


def may_close(
    waves: Sequence[WaveRow], wave: WaveRow, rows: Sequence[NodeRow], limits: Limits, agreed: AbstractSet[str]
) -> bool:
    """Whether a wave has nobody to wait for. What is put off or in the field comes with a later one; the last wave
    waits for all of them, and a canary wave as long as nobody has proven their board."""
    if on_their_own(rows):
        return False
    open_ = [row for row in rows if row.wave == wave.wave and row.state in WAITING and not gave_up(row, limits)]
    if wave.wave == max(one.wave for one in waves):
        return not open_ and not in_the_field(rows)
    if not open_ and not in_the_field(row for row in rows if row.wave == wave.wave):
        return True
    return all(row.state == State.DEFERRED for row in open_) and passed(untried(rows, wave, agreed))


def latecomers(rows: Sequence[NodeRow], wave: WaveRow, limits: Limits) -> list[NodeRow]:
    """Nodes of waves that have passed which may go now: put off then, back from the field, or found untouched."""
    return [row for row in rows if row.wave < wave.wave and row.state in WAITING and not gave_up(row, limits)]


def untried(rows: Sequence[NodeRow], wave: WaveRow, agreed: AbstractSet[str]) -> list[Check]:
    """After canaries: every board they stand for has one proven node, or nobody of it is still to come, or a person
    `agreed` to go on without proof."""
    if not wave.name.startswith(CANARY):
        return []
    checks = []
    for board in sorted({row.board_name for row in rows if row.wave == wave.wave} - agreed):
        same = [row for row in rows if row.board_name == board]
        proven = sum(row.state == State.CONFIRMED for row in same)
        to_come = any(row.state in WAITING | {State.FIELD} and row.wave > wave.wave for row in same)
        checks.append(Check(f"{CANARIES} {board}", proven > 0 or not to_come, str(proven), ">= 1"))
    return checks


def why_halted(wrong: Sequence[Check]) -> str:
    """The code of the reason a rollout halts with, by the checks that did not pass."""
    codes = {"image": "image", "uplink": "blind", "alarms": "alarms"}
    known = next((codes[check.what] for check in wrong if check.what in codes), None)
    unproven = all(check.what.startswith(f"{CANARIES} ") for check in wrong)
    return known or (CANARIES if unproven else "budget")


def choose(
    rows: Sequence[NodeRow],
    wave: int,
    topology: Topology,
    limits: Limits,
    around: Around,
    now_ms: int,
) -> Next:
    """Compute the next batch of a wave anew on the graph as it is, with lost and restarting nodes gone from it."""
    living = without(topology, (row.node_id for row in rows if row.state in FLYING or row.state == State.LOST))
    leased = in_the_field(rows)
    steady = without(living, leased)  # a laptop may restart what it holds at any moment
    behind = dominated(immediate_dominators(living))
    unfinished = {row.node_id for row in rows if row.state not in DONE}
    waiting = [row for row in rows if row.wave == wave and row.state in WAITING and not gave_up(row, limits)]
    held = dict(_held(waiting, behind, unfinished, leased, living, steady))
    for row in waiting:
        if row.node_id in held:
            continue
        if row.node_id in around.unsaved:
            held[row.node_id] = "no_backup"
        elif _alarm(living, row.node_id, around.alarmed):
            held[row.node_id] = "alarm"
    going = [row for row in waiting if row.node_id not in held and row.retry_ms <= now_ms]
    going = _one_of_each(going, around.alone, behind)
    planned = order(steady, [Candidate(row.node_id, row.board_name, row.uplink) for row in going], limits.order)
    held.update(planned.excluded)
    if not planned.batches:
        return Next((), held)
    lost = {row.node_id for row in rows if row.state == State.LOST}
    already = (around.silent | lost) & topology.links_of.keys()
    batch, why = _within(planned.batches[0], living, behind, already, around, limits)
    return Next(batch, held if batch else {**held, planned.batches[0][0]: why})


def _held(
    waiting: Iterable[NodeRow],
    behind: Mapping[str, frozenset[str]],
    unfinished: AbstractSet[str],
    leased: AbstractSet[str],
    living: Topology,
    steady: Topology,
) -> Iterator[tuple[str, str]]:
    """Who waits for which node. Beside a laptop's nodes neither they nor what they carry may be counted on: what hangs
    on them waits, and so does what would carry others alone, and every gateway while a laptop has one."""
    alone = dominated(immediate_dominators(steady)) if leased else behind
    carried = reachable(living) - reachable(steady) if leased else set[str]()
    if leased & living.gateways:
        carried |= living.gateways
    for row in waiting:
        others = (behind.get(row.node_id, frozenset()) | alone.get(row.node_id, frozenset())) & unfinished
        if others:
            yield row.node_id, f"waits_for {min(others & leased or others)}"
        elif row.node_id in carried:
            yield row.node_id, f"waits_for {min(leased)}"


def _one_of_each(
    going: Sequence[NodeRow], boards: AbstractSet[str], behind: Mapping[str, frozenset[str]]
) -> list[NodeRow]:
    """Of `boards` only the node with the least behind it."""
    first: dict[str, NodeRow] = {}
    for row in sorted(going, key=lambda row: (len(behind.get(row.node_id, ())), row.node_id)):
        first.setdefault(row.board_name, row)
    return [row for row in going if row.board_name not in boards or row is first[row.board_name]]


def _within(
    batch: tuple[str, ...],
    living: Topology,
    behind: Mapping[str, frozenset[str]],
    already: AbstractSet[str],
    around: Around,
    limits: Limits,
) -> tuple[tuple[str, ...], str]:
    """As much of a batch as the gates let through, or nothing and why. Each beginning of a batch is a safe one itself.

    What one node takes down by itself was planned and agreed to: it waits only where others are dark already.
    """
    why = ""
    for size in range(len(batch), 0, -1):
        some = batch[:size]
        going = frozenset(some).union(*(behind.get(node, frozenset()) for node in some))
        others = already - going
        checks = dark(going, others, around.district_of, limits.max_dark, limits.max_dark_district)
        if not passed(checks) and (others or size > 1):
            why = "too_many_dark"
        elif not redundancy(thinned(living, frozenset(some)), around.listed).ok:
            why = "thins_others"
        else:
            return some, ""
    return (), why


def _alarm(topology: Topology, node: str, alarmed: AbstractSet[str]) -> bool:
    """Whether the node or one it hears has an open critical alarm."""
    around = topology.neighbours(node) if node in topology.links_of else set[str]()
    return not alarmed.isdisjoint({node, *around})


def alarms_near(topology: Topology, rows: Iterable[NodeRow], alarmed: AbstractSet[str]) -> int:
    """How many nodes with a critical alarm are among these or one link away."""
    names = {row.node_id for row in rows}
    known = names & topology.links_of.keys()
    return len(alarmed & names.union(*({link.other(node) for link in topology.links_of[node]} for node in known)))


def cut_by(topology: Topology, rows: Sequence[NodeRow], batch: AbstractSet[str]) -> set[str]:
    """Nodes not yet upgraded that would lose their path while the batch restarts; must be empty to go on."""
    living = without(topology, (row.node_id for row in rows if row.state in {State.LOST, State.FIELD}))
    pending = {row.node_id for row in rows if row.state not in DONE and row.state not in FINAL} - batch
    return (reachable(living) - reachable(living, frozenset(batch))) & pending


def ahead(rows: Iterable[NodeRow], wave: int, busy: AbstractSet[str], limits: Limits, now_ms: int) -> list[NodeRow]:
    """Nodes of the wave to stage while others restart: bounded per uplink and in all."""
    rows = list(rows)
    load: dict[str, int] = {}
    for row in rows:
        if row.node_id in busy:
            load[row.uplink] = load.get(row.uplink, 0) + 1
    staged = sum(row.wave == wave and row.state == State.TESTED and not row.batch for row in rows)
    room = limits.max_batch - staged - len(busy)
    found: list[NodeRow] = []
    for row in rows:
        idle = row.wave == wave and row.state == State.PENDING and not row.batch and row.node_id not in busy
        if idle and len(found) < room and load.get(row.uplink, 0) < limits.max_per_uplink and row.retry_ms <= now_ms:
            load[row.uplink] = load.get(row.uplink, 0) + 1
            found.append(row)
    return found
