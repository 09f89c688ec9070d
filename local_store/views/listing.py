"""What all lists share: fields that can be filtered and sorted, ids in order, pages by id. No SQL of its own tables."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from local_store.filter import Field, compile_filter
from local_store.sqlite import Connection


@dataclass(frozen=True, slots=True)
class Listing:
    """One list: where its rows come from, its key, its columns by name, and aliases of the column names."""

    source: str
    key: str
    columns: Mapping[str, Field]
    aliases: Mapping[str, str] = field(default_factory=dict)
    state: str | None = None

    def fields(self) -> dict[str, Field]:
        """Everything a filter may name."""
        return {**self.columns, **{alias: self.columns[name] for alias, name in self.aliases.items()}}


Row = tuple[object, ...]


def ids(
    cx: Connection,
    listing: Listing,
    text: str = "",
    sort: str = "",
    descending: bool = False,
    given: Sequence[object] = (),
) -> list[str]:
    """Keys in order; rows without a value come last either way. Raises FilterError.

    `given` is for a source that has parameters of its own.
    """
    state = listing.columns[listing.state] if listing.state else None
    where = compile_filter(text, listing.fields(), state)
    column = listing.columns.get(sort)
    order = listing.key
    if column is not None:
        direction = "DESC" if descending else "ASC"
        collate = "" if column.number else " COLLATE NOCASE"
        order = f"{column.sql} IS NULL, {column.sql}{collate} {direction}, {listing.key}"
    sql = f"SELECT {listing.key} FROM {listing.source} WHERE {where.sql} ORDER BY {order}"
    return [str(row[0]) for row in cx.execute(sql, (*given, *where.parameters))]


def rows(cx: Connection, listing: Listing, keys: Sequence[str], given: Sequence[object] = ()) -> dict[str, Row]:
    """The columns of these keys, in the order the listing declares them."""
    columns = ", ".join(column.sql for column in listing.columns.values())
    marks = ", ".join("?" * len(keys))
    sql = f"SELECT {listing.key}, {columns} FROM {listing.source} WHERE {listing.key} IN ({marks})"
    return {str(row[0]): tuple(row[1:]) for row in cx.execute(sql, (*given, *keys))}
