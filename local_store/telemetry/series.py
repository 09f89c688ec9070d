"""Numbers for (entity, quantity) pairs. Only this module writes the table `series`."""

from __future__ import annotations

from collections.abc import Iterable

from local_store.sqlite import Connection

Key = tuple[str, str]
"""Entity id and quantity."""


class SeriesIds:
    """Remembers every number it gave out; call `forget` when the transaction that asked was rolled back."""

    def __init__(self) -> None:
        self._numbers: dict[Key, int] = {}
        self._fresh: list[Key] = []

    def load(self, cx: Connection) -> None:
        """Read what is there, once at start."""
        rows = cx.execute("SELECT entity_id, quantity, series FROM series")
        self._numbers = {(entity_id, quantity): series for entity_id, quantity, series in rows}
        self._fresh = []

    def number(self, cx: Connection, key: Key) -> int:
        """The number of one series; a new one is made inside the caller's write transaction."""
        number = self._numbers.get(key)
        if number is None:
            number = self._create(cx, key)
        return number

    def settle(self) -> None:
        """The transaction was committed: what it created stays."""
        self._fresh.clear()

    def forget(self) -> None:
        """The transaction was rolled back: what it created never was."""
        for key in self._fresh:
            self._numbers.pop(key, None)
        self._fresh.clear()

    def _create(self, cx: Connection, key: Key) -> int:
        found = cx.execute("SELECT series FROM series WHERE entity_id = ? AND quantity = ?", key).fetchone()
        if found is None:
            found = cx.execute(
                "INSERT INTO series (entity_id, quantity) VALUES (?, ?) RETURNING series", key
            ).fetchone()
        number = int(found[0])
        self._numbers[key] = number
        self._fresh.append(key)
        return number


def find(cx: Connection, entity_id: str, quantity: str, schema: str = "main") -> int | None:
    """The number of one series, or None when nothing was ever stored for it."""
    row = cx.execute(
        f"SELECT series FROM {schema}.series WHERE entity_id = ? AND quantity = ?",
        (entity_id, quantity),
    ).fetchone()
    return None if row is None else int(row[0])


def quantities(cx: Connection, entity_id: str, schema: str = "main") -> list[tuple[int, str]]:
    """Every (number, quantity) of one entity, by quantity."""
    rows = cx.execute(
        f"SELECT series, quantity FROM {schema}.series WHERE entity_id = ? ORDER BY quantity",
        (entity_id,),
    )
    return [(int(series), str(quantity)) for series, quantity in rows]


def numbers(cx: Connection, ids: SeriesIds, keys: Iterable[Key]) -> list[int]:
    """Numbers of many series, in order."""
    return [ids.number(cx, key) for key in keys]
