"""Which nodes a lab has, how they hang together and what they are called. Pure, no I/O."""

from __future__ import annotations

from dataclasses import dataclass

SINGLE, DUAL = "lab,outdoor-5", "lab,dual-60"
"""The two hardware models: one flash bank, and two with a boot loader that falls back."""
MODEL_NAMES = {SINGLE: "Lab Outdoor 5", DUAL: "Lab Dual 60"}
CHANNELS = {"60": 2, "5": 100, "2.4": 6}
BANDS_BY_DEPTH = ("wired", "60", "5", "5", "2.4", "2.4")


@dataclass(frozen=True, slots=True)
class Link:
    """One end of a wire that stands for a radio link; `up` points towards the console."""

    ifname: str
    mac: str
    band: str
    up: bool
    peer: str
    peer_mac: str
    peer_address: str
    reaches: tuple[str, ...]
    """Addresses behind this end, the peer's own first; empty on the way up."""


@dataclass(frozen=True, slots=True)
class Node:
    """One node as it was planned."""

    name: str
    index: int
    address: str
    parent: str | None
    board: str
    links: tuple[Link, ...]

    @property
    def uplink(self) -> Link:
        """The link towards the console."""
        return next(link for link in self.links if link.up)


@dataclass(frozen=True, slots=True)
class Tree:
    """All nodes of one lab, parents before children, and the console's own address."""

    number: int
    nodes: tuple[Node, ...]

    @property
    def console_address(self) -> str:
        """Where the console sits: outside every node, behind the first one."""
        return address(self.number, 254)

    def __getitem__(self, name: str) -> Node:
        return next(node for node in self.nodes if node.name == name)

    def children(self, name: str) -> tuple[str, ...]:
        """Names of the nodes directly behind this one."""
        return tuple(node.name for node in self.nodes if node.parent == name)

    def behind(self, name: str) -> tuple[str, ...]:
        """Names of all nodes that lose their way when this one is dark."""
        direct = self.children(name)
        return direct + tuple(far for child in direct for far in self.behind(child))

    def hops(self, name: str) -> int:
        """How many nodes a packet from the console passes, the node itself included."""
        parent = self[name].parent
        return 1 if parent is None else 1 + self.hops(parent)


def address(number: int, index: int) -> str:
    """198.18.0.0/15 is set aside for tests of network gear (RFC 2544 section C.2.2): no real network has it."""
    return f"198.18.{number}.{index}"


def name_of(index: int) -> str:
    """Node names sort like their numbers."""
    return f"lab-{index:02}"


def grow(number: int, count: int, children: int = 2) -> Tree:
    """A tree of `count` nodes in which every node has up to `children` below it; node 1 is the gateway."""
    parents = {index: (index - 2) // children + 1 for index in range(2, count + 1)}
    below = {index: [child for child, parent in parents.items() if parent == index] for index in range(1, count + 1)}
    return Tree(number, tuple(_node(number, index, parents, below) for index in range(1, count + 1)))


def _node(number: int, index: int, parents: dict[int, int], below: dict[int, list[int]]) -> Node:
    up = parents.get(index, 0)
    links = [_end(number, index, "mesh-up", up, _depth(index, parents), ())]
    for position, child in enumerate(below[index]):
        reaches = tuple(address(number, far) for far in _subtree(child, below))
        links.append(_end(number, index, f"mesh-{position}", child, _depth(child, parents), reaches))
    board = SINGLE if index % 2 else DUAL
    parent = name_of(up) if up else None
    return Node(name_of(index), index, address(number, index), parent, board, tuple(links))


def _end(number: int, index: int, ifname: str, peer: int, depth: int, reaches: tuple[str, ...]) -> Link:
    """Each wire belongs to its lower end; both MACs carry that number, the upper end with its last bit set."""
    up = not reaches
    lower = index if up else peer
    ends = (f"02:1a:b0:{number:02x}:{lower:02x}:00", f"02:1a:b0:{number:02x}:{lower:02x}:01")
    mac, peer_mac = ends if up else ends[::-1]
    peer_address = address(number, peer or 254)
    band = BANDS_BY_DEPTH[min(depth, len(BANDS_BY_DEPTH) - 1)]
    return Link(ifname, mac, band, up, name_of(peer) if peer else "console", peer_mac, peer_address, reaches)


def _subtree(index: int, below: dict[int, list[int]]) -> list[int]:
    return [index, *(far for child in below[index] for far in _subtree(child, below))]


def _depth(index: int, parents: dict[int, int]) -> int:
    return 1 + _depth(parents[index], parents) if index in parents else 0
