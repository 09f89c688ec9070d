"""From polls to the alerts nodes deserve: one for each cause, none for what sits behind it. No I/O.

Nothing is said of a node while it is only suspected; of a loss nobody is told while the next answer may still explain
it; and of nodes in maintenance or a rollout, and of all that hangs on them, nothing at all, nor of a restart in it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, replace

from device_drivers.api import Poll
from device_drivers.errors import Unreachable
from local_store.records import AlertKey, NodeState
from mesh_mgmt.alerting import Wrong, node_wrong
from mesh_mgmt.impact import NAMED, Impact
from mesh_mgmt.poller import BEHIND, Mapper
from mesh_mgmt.silence import silenced
from mesh_mgmt.suspects import Suspects, Verdict
from mesh_mgmt.topology import Topology

ImpactOf = Callable[[AbstractSet[str]], Impact]


@dataclass(frozen=True, slots=True)
class Settled:
    """Alerts to make equal to what is wrong: `scope` are entities, `wrong` what is the matter with some of them."""

    scope: list[tuple[str, str]]
    wrong: list[Wrong]


class NodeAlarms:
    """One run's judgement over all nodes; `Mapper` keeps the health, this keeps what it means."""

    def __init__(self, mapper: Mapper, hold_ms: int) -> None:
        self._mapper = mapper
        self._suspects = Suspects(hold_ms)
        self._latest: dict[str, NodeState] = {}
        self._touched: set[str] = set()
        self._verdict = Verdict()
        self._operation: frozenset[str] = frozenset()
        self._quiet: frozenset[str] = frozenset()
        self._shared: set[str] = set()
        self._recovering: set[str] = set()
        """Up again, with the losses of the outage still in their window: they were told already."""
        self._restarted: set[str] = set()
        """Restarted while they were in operation, which is what that is for; a restart is shown for minutes."""
        self._unwell: set[str] = set()
        """Not well since they were in operation: the polls a restart loses are shown before it, and may hide it."""
        self._released: set[str] = set()
        """Left an operation and not asked since: what is known of them is of that time, as is a restart seen next."""

    @property
    def failing(self) -> Mapping[str, int]:
        """Nodes that do not answer, and since when."""
        return self._suspects.failing

    def restore(
        self, states: Iterable[NodeState], shared: Iterable[str], now_ms: int, told: AbstractSet[str] = frozenset()
    ) -> None:
        """Go on from stored states; `shared` are entities of open alerts with several causes, `told` nodes with one.

        A restart that was not told before is not told now: it was an operation's.
        """
        self._latest = {state.node_id: state for state in states}
        self._restarted = {state.node_id for state in self._latest.values() if _is_restart(state)} - told
        self._shared = set(shared)
        down = {node_id: state.since_ms for node_id, state in self._latest.items() if state.state == "down"}
        behind = {
            node_id: state.cause.removeprefix(BEHIND)
            for node_id, state in self._latest.items()
            if state.state == "unreachable"
        }
        self._suspects.restore(down, behind, now_ms)
        self._touched = set(self._latest)

    def set_graph(self, topology: Topology) -> None:
        """What hangs on what, as known now."""
        self._suspects.set_graph(topology)
        for gone in self._latest.keys() - topology.links_of.keys():
            del self._latest[gone]
        self._hush()

    def set_operation(self, nodes: frozenset[str]) -> None:
        """Nodes in maintenance or in the hands of a rollout."""
        if nodes != self._operation:
            self._operation = nodes
            self._hush()

    def _hush(self) -> None:
        before = self._quiet
        self._quiet = silenced(self._suspects.dominators, self._operation)
        self._touched |= before ^ self._quiet
        left = before - self._quiet
        self._released |= {one for one in left if one in self._latest and self._latest[one].state in {"ok", "warning"}}
        self._released -= self._quiet

    def saw(self, poll: Poll, state: NodeState, *, changed: bool, now_ms: int) -> NodeState:
        """Take in one poll and the state it made; returns the state to show."""
        answered = not isinstance(poll.error, Unreachable)
        node_id = poll.node_id
        self._suspects.saw(node_id, answered=answered, is_down=state.state == "down", now_ms=now_ms)
        self._recover(node_id, state, answered=answered)
        self._excuse(state)
        self._latest[node_id] = state
        if changed:
            self._touched.add(node_id)
        return self._shown(state)

    def _recover(self, node_id: str, state: NodeState, *, answered: bool) -> None:
        lossy = answered and (state.state, state.cause) == ("warning", "loss")
        before = self._latest.get(node_id)
        if lossy and before is not None and before.state == "down":
            self._recovering.add(node_id)
        elif not lossy and node_id in self._recovering:
            self._recovering.discard(node_id)
            self._touched.add(node_id)

    def _excuse(self, state: NodeState) -> None:
        if state.node_id in self._released:
            self._touched.add(state.node_id)
        if state.state == "ok":
            self._unwell.discard(state.node_id)
        elif state.node_id in self._quiet or state.node_id in self._released:
            self._unwell.add(state.node_id)
        if _is_restart(state):
            if state.node_id in self._unwell:
                self._restarted.add(state.node_id)
        elif state.node_id in self._restarted:
            self._restarted.discard(state.node_id)
            self._touched.add(state.node_id)
        self._released.discard(state.node_id)

    def _shown(self, state: NodeState) -> NodeState:
        if self._suspects.held(state.node_id):
            return replace(state, state="warning", cause="silent")
        return state

    def judge(self, now_ms: int) -> tuple[list[NodeState], tuple[str, ...]]:
        """States that mean something else now, and nodes to ask out of turn."""
        verdict = self._suspects.judge(now_ms)
        if verdict is None:
            return [], ()
        before, self._verdict = self._verdict, verdict
        found: list[NodeState | None] = []
        for node_id, cause in verdict.unreachable.items():
            known = self._latest.get(node_id)
            if known is not None and (known.state, known.cause) != ("unreachable", f"{BEHIND}{cause}"):
                found.append(self._mapper.excuse(node_id, cause, now_ms))
        found += [self._mapper.release(node_id, now_ms) for node_id in sorted(verdict.released)]
        found += [self._latest.get(node_id) for node_id in verdict.down.keys() - before.down.keys()]
        states = [state for state in found if state is not None]
        self._latest |= {state.node_id: state for state in states}
        self._touched |= {state.node_id for state in states}
        self._touched |= {node for node, lost in verdict.down.items() if before.down.get(node) != lost}
        self._touched |= verdict.released | before.down.keys() - verdict.down.keys()
        return states, verdict.probe

    def settle(self, impact_of: ImpactOf) -> Settled:
        """What to tell of everything that changed since the last time."""
        scope: list[tuple[str, str]] = []
        wrong: list[Wrong] = []
        waiting: set[str] = set()
        for node_id in sorted(self._touched):
            if node_id not in self._latest:
                continue
            if any(node_id in spared for spared in (self._quiet, self._recovering, self._restarted, self._released)):
                scope.append(("node", node_id))
            elif self._undecided(node_id):
                waiting.add(node_id)
            else:
                scope.append(("node", node_id))
                wrong += self._of_node(node_id, impact_of)
        self._touched = waiting
        self._settle_shared(scope, wrong, impact_of)
        return Settled(scope, wrong)

    def _undecided(self, node_id: str) -> bool:
        """Whether the next polls may still explain it away."""
        state = self._latest[node_id]
        if self._suspects.held(node_id):
            return True
        lossy = state.state == "warning" and state.cause in ("loss", "silent")
        return lossy and (node_id in self._suspects.failing or self._suspects.above_failing(node_id))

    def _of_node(self, node_id: str, impact_of: ImpactOf) -> list[Wrong]:
        state = self._latest[node_id]
        one = node_wrong(node_id, state.state, state.cause, state.since_ms)
        if one is None or state.state != "down":
            return [] if one is None else [one]
        lost = self._verdict.down.get(node_id, frozenset())
        return [replace(one, facts={**one.facts, **told(lost, impact_of(lost | {node_id}))})]

    def _settle_shared(self, scope: list[tuple[str, str]], wrong: list[Wrong], impact_of: ImpactOf) -> None:
        """One alert for nodes that several causes cut off together, naming them."""
        now = {"+".join(one.causes): one for one in self._verdict.shared if not one.nodes <= self._quiet}
        if not now and not self._shared:
            return
        scope += [("mesh", entity) for entity in sorted(self._shared | now.keys())]
        self._shared = set(now)
        for entity, one in now.items():
            facts = {"causes": list(one.causes), **told(one.nodes, impact_of(one.nodes))}
            wrong.append(Wrong(AlertKey("mesh", entity, "cut_off"), "critical", facts))


def _is_restart(state: NodeState) -> bool:
    return (state.state, state.cause) == ("warning", "rebooted")


def told(lost: AbstractSet[str], what: Impact) -> dict[str, object]:
    """The facts of an impact sentence; what is nothing is left out, so that a lone node's alert stays as it was."""
    facts: dict[str, object] = {
        "nodes": len(lost),
        "takes_down": sorted(lost)[:NAMED],
        "sensors": what.sensors,
        "systems": list(what.systems),
        "lorawan_gateways": list(what.lorawan_gateways),
    }
    return {name: value for name, value in facts.items() if value}
