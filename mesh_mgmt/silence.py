"""Whose alarms are held back: nodes in operation (maintenance, a rollout) with everything behind them. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from collections.abc import Set as AbstractSet

from mesh_mgmt.topology import ROOT


def silenced(dominators: Mapping[str, str], in_operation: AbstractSet[str]) -> frozenset[str]:
    """The nodes in operation and every node all of whose paths pass one of them: one rule for every reason."""
    quiet: dict[str, bool] = {}
    for node in dominators:
        chain: list[str] = []
        here = node
        while here != ROOT and here not in quiet and here not in in_operation:
            chain.append(here)
            here = dominators.get(here, ROOT)
        answer = here in in_operation or quiet.get(here, False)
        quiet |= dict.fromkeys(chain, answer)
    return frozenset(node for node, answer in quiet.items() if answer) | frozenset(in_operation)


def because(dominators: Mapping[str, str], in_operation: AbstractSet[str], nodes: Iterable[str]) -> dict[str, str]:
    """For each silenced node of `nodes` the node in operation that silences it (itself first)."""
    found: dict[str, str] = {}
    for node in nodes:
        here = node
        while here != ROOT and here not in in_operation:
            here = dominators.get(here, ROOT)
        if here != ROOT:
            found[node] = here
    return found
