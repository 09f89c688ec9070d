"""Network namespaces and the wires between them, all under one prefix. Never touches an interface of another name."""

from __future__ import annotations

import subprocess
from collections.abc import Iterable, Sequence
from pathlib import Path

from tests.lab.tree import Link, Node, Tree

PREFIX = "lslab"
NAMED = Path("/run/netns")


def run(command: Sequence[str | Path], text: str | None = None) -> str:
    """Run a program of the host; its complaint is the assertion's text."""
    done = subprocess.run(command, input=text, capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"{' '.join(map(str, command))}: {done.stderr.strip() or done.stdout.strip()}"
    return done.stdout


def batch(lines: Iterable[str], inside: str | None = None) -> None:
    """Many `ip` commands in one process."""
    run(["ip", *(("-n", inside) if inside else ()), "-batch", "-"], "\n".join(lines) + "\n")


def space(number: int, node: Node) -> str:
    """Name of a node's network namespace."""
    return f"{PREFIX}-{number}-{node.index}"


def console_side(number: int) -> str:
    """Name of the one interface that the lab has outside its namespaces."""
    return f"{PREFIX}{number}"


def lay(tree: Tree) -> None:
    """Make every namespace and wire; addresses and routes are the nodes' own business, but for the console's."""
    number = tree.number
    batch(f"netns add {space(number, node)}" for node in tree.nodes)
    batch(_wire(tree, node) for node in tree.nodes)
    gateway, outside = tree.nodes[0], console_side(number)
    batch(
        [
            f"link set {outside} address {gateway.uplink.peer_mac} up",
            f"addr add {tree.console_address}/32 dev {outside}",
            f"route add {gateway.address} dev {outside} src {tree.console_address}",
            *(
                f"route add {node.address} via {gateway.address} dev {outside} src {tree.console_address}"
                for node in tree.nodes[1:]
            ),
        ]
    )


def _wire(tree: Tree, node: Node) -> str:
    """The wire from a node to its parent, or out to the console."""
    own = f"peer name {node.uplink.ifname} netns {space(tree.number, node)}"
    if node.parent is None:
        return f"link add {console_side(tree.number)} type veth {own}"
    parent = tree[node.parent]
    end = next(link for link in parent.links if link.peer == node.name)
    return f"link add {end.ifname} netns {space(tree.number, parent)} type veth {own}"


def darken(tree: Tree, node: Node) -> None:
    """Take every link of a node down, as when its power is gone."""
    batch((f"link set {link.ifname} down" for link in node.links), space(tree.number, node))


def link_file(links: Iterable[Link]) -> str:
    """One line per link for the node's own network start."""
    return "".join(
        f"{link.ifname} {link.mac} {link.band} {'up' if link.up else 'down'} {link.peer} {link.peer_mac} "
        f"{link.peer_address} {' '.join(link.reaches)}\n"
        for link in links
    )


def lose(tree: Tree, node: Node, percent: int) -> None:
    """Drop this share of what comes in over the uplink; 0 ends it.

    Every so many packets one: by chance a connection would lose one packet again and again, once in some hundred runs.
    """
    table = f"table inet {PREFIX}"
    # An empty table first: then `delete` succeeds always.
    rules = f"{table}\ndelete {table}\n"
    if percent:
        share = "" if percent == 100 else f"numgen inc mod {100 // percent} == 0"
        chain = "chain in { type filter hook prerouting priority -300; "
        drop = f'iifname "{node.uplink.ifname}" {share} drop; '
        rules += f"{table} {{ {chain}{drop}}}\n}}\n"
    run(["ip", "netns", "exec", space(tree.number, node), "nft", "-f", "-"], rules)


def sweep(number: int) -> None:
    """Remove what a lab of this number left behind."""
    for path in NAMED.glob(f"{PREFIX}-{number}-*") if NAMED.exists() else ():
        run(["ip", "netns", "delete", path.name])
    if Path(f"/sys/class/net/{console_side(number)}").exists():
        # It goes with the namespace of its other end, unless that namespace is still held.
        subprocess.run(["ip", "link", "delete", console_side(number)], capture_output=True, check=False)
