"""Who is down and who merely sits behind it, from poll to poll. Pure; time is an argument.

A node whose polls fail is *held* for one polling round before anything is said of it. Meanwhile the nodes above it are
asked first. Then the graph decides: the front of the silence is down, what lies behind is unreachable. A node that
failed long before its parent did keeps its own alarm.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Final

from mesh_mgmt.causes import Shared, explain, first_to_probe, together
from mesh_mgmt.topology import Topology, build, immediate_dominators

PROBE_EVERY_MS: Final = 2_000
NOTHING: Final = build((), (), ())


@dataclass(frozen=True, slots=True)
class Verdict:
    """What became known. `down` gives, by cause, the nodes it takes with it; `unreachable` names a node's cause."""

    down: Mapping[str, frozenset[str]] = field(default_factory=dict)
    unreachable: Mapping[str, str] = field(default_factory=dict)
    released: frozenset[str] = frozenset()
    shared: tuple[Shared, ...] = ()
    probe: tuple[str, ...] = ()


class Suspects:
    """Everything silent. `saw` takes each poll's outcome, `judge` says what it means."""

    def __init__(self, hold_ms: int) -> None:
        self._hold_ms = hold_ms
        self._topology = NOTHING
        self._dominators: dict[str, str] = {}
        self._failing: dict[str, int] = {}
        self._answered: dict[str, int] = {}
        self._down: dict[str, int] = {}  # by health, since when
        self._judged: set[str] = set()
        self._unreachable: dict[str, str] = {}
        self._probed: dict[str, int] = {}
        self._due_ms: int | None = None
        self._dirty = False

    @property
    def failing(self) -> Mapping[str, int]:
        """Nodes whose last poll failed, and since when."""
        return self._failing

    @property
    def dominators(self) -> Mapping[str, str]:
        """Those of the graph in use."""
        return self._dominators

    def restore(self, down: dict[str, int], unreachable: dict[str, str], now_ms: int) -> None:
        """Go on from stored states: what was down or unreachable is so until somebody hears it."""
        self._judged |= down.keys()
        self._down |= down
        self._failing |= down | dict.fromkeys(unreachable, now_ms)
        self._unreachable |= unreachable
        self._dirty = bool(down or unreachable)

    def set_graph(self, topology: Topology) -> None:
        """Take over what hangs on what."""
        self._topology = topology
        self._dominators = immediate_dominators(topology)
        known = topology.links_of.keys()
        for table in (self._failing, self._answered, self._down, self._unreachable, self._probed):
            for gone in table.keys() - known:
                del table[gone]
        self._judged &= known
        self._dirty = True

    def saw(self, node_id: str, *, answered: bool, is_down: bool, now_ms: int) -> None:
        """One poll ended. `is_down` is what the health table makes of it."""
        if answered:
            self._answered[node_id] = now_ms
            if self._failing.pop(node_id, None) is not None and (self._down or self._unreachable):
                self._dirty = True
            if self._unreachable.pop(node_id, None) is not None:
                self._dirty = True
        elif node_id not in self._failing:
            self._failing[node_id] = now_ms
            self._dirty |= bool(self._down)
        if is_down and node_id not in self._down:
            self._down[node_id] = now_ms
            self._dirty = True
        elif not is_down and self._down.pop(node_id, None) is not None:
            self._judged.discard(node_id)
            self._dirty = True

    def held(self, node_id: str) -> bool:
        """Down as far as polls say, and not judged yet."""
        return node_id in self._down and node_id not in self._judged and node_id not in self._unreachable

    def above_failing(self, node_id: str) -> bool:
        """Whether something every path to this node passes has trouble of its own right now."""
        return any(above in self._failing for above in first_to_probe(self._dominators, node_id))

    def judge(self, now_ms: int) -> Verdict | None:
        """What the silence means now; None while nothing changed and no hold ran out."""
        if not self._dirty and (self._due_ms is None or now_ms < self._due_ms):
            return None
        self._dirty = False
        held = [node for node in self._down if self.held(node)]
        silent = self._failing.keys() | self._unreachable.keys()
        graph = self._with_heard(held, silent, now_ms)
        explanation = explain(graph, self._dominators, silent)
        due = {node for node in held if now_ms - self._down[node] >= self._hold_ms}
        fronts = {cause.node: cause.takes_down for cause in explanation.causes}
        decided = {node for node in fronts if node in self._judged or node in due}
        decided |= self._down.keys() - silent  # it answers, and what it says is an error: no silence to explain
        behind = {node: cause for cause, nodes in fronts.items() for node in nodes}
        shared = tuple(one for one in together(graph, explanation) if decided.issuperset(one.causes) and one.causes)
        released = self._place(behind, shared, fronts.keys(), decided, silent)
        open_shared = explanation.shared.difference(*(one.nodes for one in shared))
        probe = self._probes(held, behind, decided, open_shared, now_ms)
        waits = [self._down[node] + self._hold_ms for node in held if node not in self._judged]
        waits += [now_ms + PROBE_EVERY_MS] if probe or any(wait <= now_ms for wait in waits) else []
        self._due_ms = min((wait for wait in waits if wait > now_ms), default=None)
        return Verdict(
            {node: frozenset(fronts.get(node, ())) for node in self._judged},
            dict(self._unreachable),
            released,
            shared,
            probe,
        )

    def _with_heard(self, held: Iterable[str], silent: Iterable[str], now_ms: int) -> Topology:
        """The graph in which whoever answered since the silence began has a way out, whatever links we know."""
        since = min((self._failing.get(node, now_ms) for node in held), default=now_ms)
        quiet = set(silent)
        heard = {node for node, at in self._answered.items() if at > since and node not in quiet}
        return replace(self._topology, gateways=self._topology.gateways | heard)

    def _place(
        self,
        behind: dict[str, str],
        shared: Iterable[Shared],
        fronts: Iterable[str],
        decided: set[str],
        silent: Iterable[str],
    ) -> frozenset[str]:
        """Move every silent node to where it belongs; returns those that are no longer excused."""
        causes = behind | {node: "+".join(one.causes) for one in shared for node in one.nodes}
        self._judged |= decided
        for node in set(silent):
            cause = causes.get(node)
            if cause is None or not decided.issuperset(cause.split("+")) or self._was_first(node, cause):
                continue
            self._unreachable[node] = cause
            self._judged.discard(node)
        free = set(fronts)
        released = frozenset(node for node in self._unreachable if node in free or node not in causes)
        for node in released:
            del self._unreachable[node]
            self._down.pop(node, None)
        return released

    def _was_first(self, node: str, cause: str) -> bool:
        """Down on its own account, long before what it sits behind."""
        began = min(self._failing.get(one, 0) for one in cause.split("+"))
        return node in self._judged and self._failing.get(node, began) < began - 2 * self._hold_ms

    def _probes(
        self, held: Iterable[str], behind: Mapping[str, str], decided: set[str], shared: frozenset[str], now_ms: int
    ) -> tuple[str, ...]:
        """Whom to ask out of turn: what stands above the held and is not known to be down."""
        wanted: dict[str, None] = {}
        for node in held:
            for above in first_to_probe(self._dominators, node):
                fresh = self._answered.get(above, -1) > self._failing.get(node, now_ms)
                if above not in decided and above not in self._unreachable and not fresh:
                    wanted[above] = None
            cause = behind.get(node)
            if cause is not None and cause not in decided:
                wanted[cause] = None
            if node in shared:
                around = self._topology.neighbours(node) & self._failing.keys()
                wanted |= dict.fromkeys(around - decided - self._unreachable.keys())
        due = [node for node in wanted if now_ms - self._probed.get(node, -PROBE_EVERY_MS) >= PROBE_EVERY_MS]
        self._probed |= dict.fromkeys(due, now_ms)
        return tuple(due)
