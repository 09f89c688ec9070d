"""Numbers for (entity, quantity) pairs. Only this module writes the table `series`."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import groupby
from operator import itemgetter
from sys import intern

from local_store.sqlite import Connection

Key = tuple[str, str]
"""Entity id and quantity."""


class SeriesIds:
    """Remembers every number it gave out; call `forget` when the transaction that asked was rolled back.

    A large city has a quarter of a million series. They are kept per entity, quantities and numbers in turn: half of
    what one entry for each pair takes.
    """

    def __init__(self) -> None:
        self._numbers: dict[str, tuple[str | int, ...]] = {}
        self._fresh: list[Key] = []

    def load(self, cx: Connection) -> None:
        """Read what is there, once at start."""
        self._numbers = {}
        self._fresh = []
        rows = cx.execute("SELECT entity_id, quantity, series FROM series ORDER BY entity_id")
        for entity_id, found in groupby(rows, key=itemgetter(0)):
            self._numbers[entity_id] = tuple([part for _, what, number in found for part in (intern(what), number)])

    def number(self, cx: Connection, key: Key) -> int:
        """The number of one series; a new one is made inside the caller's write transaction."""
        entity_id, quantity = key
        known = self._numbers.get(entity_id, ())
        try:
            return known[known.index(quantity) + 1]  # type: ignore[return-value]
        except ValueError:
            return self._create(cx, key)

    def settle(self) -> None:
        """The transaction was committed: what it created stays."""
        self._fresh.clear()

    def forget(self) -> None:
        """The transaction was rolled back: what it created never was."""
        for entity_id, quantity in self._fresh:
            known = self._numbers[entity_id]
            at = known.index(quantity)
            self._numbers[entity_id] = known[:at] + known[at + 2 :]
        self._fresh.clear()

    def _create(self, cx: Connection, key: Key) -> int:
        found = cx.execute("SELECT series FROM series WHERE entity_id = ? AND quantity = ?", key).fetchone()
        if found is None:
            found = cx.execute(
                "INSERT INTO series (entity_id, quantity) VALUES (?, ?) RETURNING series", key
            ).fetchone()
        number = int(found[0])
        entity_id, quantity = key
        self._numbers[entity_id] = (*self._numbers.get(entity_id, ()), intern(quantity), number)
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
