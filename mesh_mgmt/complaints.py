"""What nodes said that could not be understood, until they say something better. Pure; remembers by node."""

from __future__ import annotations

from collections.abc import Container

SHOWN = 10


class Complaints:
    """Whole answers that failed, each with the reason, and rows of tables that make no sense."""

    def __init__(self) -> None:
        self._whole: dict[str, str] = {}
        self._rows: dict[str, int] = {}

    def whole(self, node_id: str, why: str) -> None:
        """A node's answer cannot be used, or there is none; "" when it is good again."""
        if why:
            self._whole[node_id] = why
        else:
            self._whole.pop(node_id, None)

    def rows(self, node_id: str, count: int) -> None:
        """How many rows of a node's last round make no sense."""
        if count:
            self._rows[node_id] = count
        else:
            self._rows.pop(node_id, None)

    def detail(self, known: Container[str]) -> dict[str, object]:
        """The number of odd rows, and of both the first nodes of those that are known."""
        odd = {node_id: count for node_id, count in self._rows.items() if node_id in known}
        whole = [f"{node_id}: {why}" for node_id, why in self._whole.items() if node_id in known]
        found: dict[str, object] = {"odd_rows": sum(odd.values()), "odd": dict(list(odd.items())[:SHOWN])}
        return {**found, "not_understood": whole[:SHOWN]} if whole else found
