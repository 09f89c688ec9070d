"""A console and a technician's laptop over one fleet, each with a store of its own."""

from __future__ import annotations

from dataclasses import dataclass

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from local_store import field_leases, rollouts
from local_store.db import Store
from local_store.rollout_rows import NodeRow, RolloutRow
from mesh_mgmt.rollout_states import State
from playbooks.firmware import field, lease_files, observe
from playbooks.firmware.books import Ports
from playbooks.firmware.lease_files import Lease, Request, Returned
from playbooks.firmware.runner import Runner
from tests.sim.rollout_fleet import SIGNER, Fleet, Inline, decide, go

HOUR_MS = 3_600_000
LAPTOP_KEY = Ed25519PrivateKey.from_private_bytes(bytes(range(1, 33)))


@dataclass
class Two:
    """Console and laptop, each with a store of its own, over one fleet."""

    fleet: Fleet
    console: Store
    laptop: Store
    rollout_id: str

    def give(self, *names: str, hours: int = 4) -> Lease:
        return self.give_of(self.rollout_id, *names, hours=hours)

    def give_of(self, rollout_id: str, *names: str, hours: int = 4) -> Lease:
        request = Request(1, "tina", lease_files.public_hex(LAPTOP_KEY), "ssh-ed25519 AAAA tina")
        topology = self.console.read(observe.current_graph)
        return self.console.ops.write(
            lambda cx: field.give(
                cx, rollout_id, names, request, topology=topology, until_ms=self.fleet.now_ms + hours * HOUR_MS,
                console_key=lease_files.public_hex(SIGNER), known_host=lambda node: f"{node.address} key",
                actor="anna", now_ms=self.fleet.now_ms,
            )
        )  # fmt: skip

    def leases(self) -> list[str]:
        """What the laptop has taken so far."""
        return [row.lease_id for row in self.laptop.read(field_leases.everything)]

    def take(self, lease: Lease) -> None:
        own = lease_files.public_hex(LAPTOP_KEY)
        self.laptop.ops.write(lambda cx: field.take(cx, lease, own, "tina", self.fleet.now_ms))
        decide(self.laptop, self.fleet, "start", lease.lease_id, "tina")

    def laptop_runner(self) -> Runner:
        ports = Ports(self.fleet.open_node, self.fleet.open_image, self.fleet.topology, LAPTOP_KEY)
        return Runner(self.laptop, ports, lambda: self.fleet.now_ms, Inline())

    def bring_back(self, lease: Lease) -> field.Merged:
        returned = self.laptop.read(lambda cx: field.hand_back(cx, lease.lease_id, self.fleet.now_ms))
        content = lease_files.signed(LAPTOP_KEY, "return", returned)
        row = self.console.read(lambda cx: field_leases.expect(cx, lease.lease_id, "given"))
        opened = lease_files.opened(content, "return", Returned, row.peer_key)
        return self.console.ops.write(lambda cx: field.merge(cx, opened, SIGNER, "anna", self.fleet.now_ms))

    def state(self, name: str, store: Store | None = None, rollout_id: str = "") -> str:
        row = (store or self.console).read(lambda cx: rollouts.node(cx, rollout_id or self.rollout_id, name))
        assert row is not None
        return row.state


def ended(store: Store, rollout_id: str) -> bool:
    return store.read(lambda cx: rollouts.expect(cx, rollout_id)).state in rollouts.ENDED


def nothing_else_until_proven(two: Two, run: Runner, name: str) -> None:
    """Go until one node is proven; no other restarts before that. Then go to the end."""

    def proven() -> bool:
        over = two.state(name) == State.CONFIRMED
        assert over or two.fleet.flashes().keys() == {name}
        return over

    go(run, two.fleet, proven)
    go(run, two.fleet, lambda: ended(two.console, two.rollout_id))


def rollout_of(store: Store, rollout_id: str) -> RolloutRow:
    """The rollout as it stands."""
    return store.read(lambda cx: rollouts.expect(cx, rollout_id))


def rows_of(store: Store, rollout_id: str) -> list[NodeRow]:
    """Its nodes by wave."""
    return store.read(lambda cx: rollouts.nodes(cx, rollout_id))
