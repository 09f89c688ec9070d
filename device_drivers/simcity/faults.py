"""What goes wrong in the simulated city and when: a seeded schedule, and the same faults by name."""

from __future__ import annotations

import random
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Final, Literal

from device_drivers.simcity.mesh import Neighbourhood
from device_drivers.simcity.openwrt import VirtualNode
from device_drivers.simcity.radio import Radio
from device_drivers.simcity.wired import Wired, description
from device_drivers.simcity.world import World

Kind = Literal[
    "down",
    "up",
    "loss",
    "overload",
    "reboot",
    "agent_restart",
    "counter_reset",
    "silent",
    "heard",
    "skew",
    "rejoin",
    "fade",
    "break",
    "mend",
]
KINDS: Final[tuple[Kind, ...]] = (
    "down", "up", "loss", "overload", "reboot", "agent_restart", "counter_reset", "silent", "heard", "skew", "rejoin",
    "fade", "break", "mend",
)  # fmt: skip
NODE_KINDS: Final = frozenset({"down", "up", "loss", "overload", "reboot", "agent_restart", "counter_reset", "fade"})
LINK_KINDS: Final = frozenset({"break", "mend"})
SKEW_MS: Final = 3 * 3_600_000


@dataclass(frozen=True, slots=True)
class Fault:
    """One thing that happens to one node, sensor or link (`A~B`), `after_s` after the start."""

    after_s: float
    kind: Kind
    target: str


def schedule(world: World, rng: random.Random) -> list[Fault]:
    """A little trouble from the start, more of it later: about one node in a hundred, a few silent sensors."""
    inner = [mast.node_id for mast in world.masts if mast.role == "mesh"] or [mast.node_id for mast in world.masts]
    leaves = [mast.node_id for mast in world.masts if mast.role == "hotspot"] or inner
    sensors = [device.dev_eui for device in world.devices]
    few = max(1, len(world.masts) // 180)
    faults = [Fault(0, "down", node_id) for node_id in rng.sample(leaves, min(few, len(leaves)))]
    faults += [Fault(0, "loss", node_id) for node_id in rng.sample(leaves, min(few, len(leaves)))]
    faults += [Fault(0, "overload", node_id) for node_id in rng.sample(inner, min(few, len(inner)))]
    if sensors:
        faults += [Fault(0, "silent", dev_eui) for dev_eui in rng.sample(sensors, max(1, len(sensors) // 100))]
        faults += [
            Fault(60 * at, "rejoin", dev_eui) for at, dev_eui in enumerate(rng.sample(sensors, min(8, len(sensors))))
        ]
        faults.append(Fault(90, "skew", rng.choice(sensors)))
    for at, kind in enumerate(("reboot", "counter_reset", "agent_restart")):
        faults.append(Fault(75 + 60 * at, kind, rng.choice(inner)))  # type: ignore[arg-type]
    parent = rng.choice(_above_towers(world) or inner)
    faults += [Fault(150, "down", parent), Fault(420, "up", parent)]
    return sorted(faults, key=lambda fault: fault.after_s)


def _above_towers(world: World) -> list[str]:
    """Masts that take a LoRaWAN gateway with them: their loss is felt beyond the mesh."""
    parents = {mast.node_id: mast.parent for mast in world.masts}
    roles = {mast.node_id: mast.role for mast in world.masts}
    above = {parents[one]: one for one in world.carriers if roles.get(parents[one]) == "mesh"}
    return [parent for parent, tower in above.items() if tower in behind(world, parent)]


def behind(world: World, node_id: str) -> list[str]:
    """The node and everything whose only way to a gateway leads through it (redundant links count)."""
    ways: dict[str, set[str]] = {mast.node_id: set() for mast in world.masts}
    for link in world.links:
        ways[link.a].add(link.b)
        ways[link.b].add(link.a)
    reached = {mast.node_id for mast in world.masts if mast.role == "gateway" and mast.node_id != node_id}
    edge = list(reached)
    while edge:
        for other in ways[edge.pop()]:
            if other not in reached and other != node_id:
                reached.add(other)
                edge.append(other)
    return [mast.node_id for mast in world.masts if mast.node_id not in reached]


class Trouble:
    """Applies faults and knows the truth about who is well."""

    def __init__(self, world: World, wired: Wired, radio: Radio, around: Neighbourhood) -> None:
        self._world = world
        self._wired = wired
        self._radio = radio
        self._around = around
        self._masts = {mast.node_id: mast for mast in world.masts}
        self._agents = {mast.node_id: agent for mast, agent in zip(world.masts, wired.agents, strict=True)}
        self._dead: set[str] = set()
        self._dark: set[str] = set()
        self._impaired: set[str] = set()

    def apply(self, kind: Kind, target: str) -> str | None:
        """Do it; a sentence when there is no such target."""
        if kind in NODE_KINDS:
            if target not in self._agents:
                return f"no node {target} in this city"
            self._on_node(kind, target)
            return None
        if kind in LINK_KINDS:
            return self._on_link(kind, target)
        if target not in self._radio.lives:
            return f"no sensor {target} in this city"
        self._on_sensor(kind, target)
        return None

    def follow(self, fleet: Mapping[str, VirtualNode]) -> bool:
        """Take agents down with virtual nodes that went dark and bring them back with a new boot; whether any did."""
        dark = {node_id for node_id, node in fleet.items() if node.restless and not node.awake()}
        if dark == self._dark:
            return False
        back, self._dark = self._dark - dark, dark
        for node_id in back:
            self._agents[node_id].reboot(self._wired.now_s())
            mast = replace(self._masts[node_id], firmware=fleet[node_id].make.version)
            self._agents[node_id].box.description = description(mast)
        self._cut_off()
        return True

    def is_well(self, node_id: str) -> bool:
        """Whether it answers at all."""
        return not self._agents[node_id].down

    def hears(self, node_id: str, other: str) -> bool:
        """Whether a node hears a neighbour: it lives, and nothing stands between."""
        return self.is_well(other) and frozenset((node_id, other)) not in self._around.broken

    def truth(self) -> Mapping[str, object]:
        """Who is well and who is not, for comparison with what a console says."""
        down = [node_id for node_id, agent in self._agents.items() if agent.down]
        return {
            "healthy": [node_id for node_id in self._agents if node_id not in self._impaired and node_id not in down],
            "down": down,
            "impaired": sorted(self._impaired - set(down)),
            "silent": [dev_eui for dev_eui, life in self._radio.lives.items() if life.silent],
        }

    def _on_node(self, kind: Kind, target: str) -> None:
        agent, now_s = self._agents[target], self._wired.now_s()
        if kind in ("down", "up"):
            self._dead.add(target) if kind == "down" else self._dead.discard(target)
            self._cut_off()
        elif kind == "loss":
            agent.loss_pct = 45.0
        elif kind == "overload":
            agent.box.overload = True
        elif kind == "reboot":
            agent.reboot(now_s)
        elif kind == "agent_restart":
            agent.restart_agent(now_s)
        elif kind == "fade":
            self._around.faded.add(target)
        else:
            agent.reset_counters(now_s)
        if kind not in ("down", "up", "counter_reset", "agent_restart", "fade"):
            self._impaired.add(target)

    def _on_link(self, kind: Kind, target: str) -> str | None:
        """Something stands between two nodes, or is gone; a sentence when they have no link."""
        one, _, other = target.partition("~")
        if other not in {near.other for near in self._around.links_of.get(one, ())}:
            return f"no link {target} in this city: write A~B"
        pair = frozenset((one, other))
        self._around.broken.add(pair) if kind == "break" else self._around.broken.discard(pair)
        return None

    def _cut_off(self) -> None:
        """Dead nodes take with them what hangs on them alone."""
        dead = self._dead | self._dark
        gone: set[str] = set(dead)
        for node_id in dead:
            gone.update(behind(self._world, node_id))
        for node_id, agent in self._agents.items():
            agent.down = node_id in gone
        towers = zip(self._world.lora_gateways, self._world.carriers, strict=True)
        self._radio.gone = frozenset(eui for (eui, _, _), carrier in towers if carrier in gone)

    def _on_sensor(self, kind: Kind, target: str) -> None:
        life = self._radio.lives[target]
        if kind in ("silent", "heard"):
            life.silent = kind == "silent"
        elif kind == "skew":
            life.skew_ms = SKEW_MS
        else:
            self._radio.rejoin(life)
