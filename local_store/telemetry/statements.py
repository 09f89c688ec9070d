"""Writes or deletes many rows with one statement.

`executemany` gives the interpreter away once per row; with busy threads beside it the transaction, and every writer
behind it, waits each time.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from itertools import chain
from typing import Final

from local_store.sqlite import Connection

AT_ONCE: Final = 500


def insert(cx: Connection, table: str, columns: Sequence[str], rows: Sequence[tuple[object, ...]]) -> None:
    """INSERT OR REPLACE rows of equal length; table and columns are named by the code."""
    row = f"({', '.join('?' * len(columns))})"
    for at in range(0, len(rows), AT_ONCE):
        part = rows[at : at + AT_ONCE]
        marks = ", ".join([row] * len(part))
        cx.execute(
            f"INSERT OR REPLACE INTO {table} ({', '.join(columns)}) VALUES {marks}",
            tuple(chain.from_iterable(part)),
        )


def delete(cx: Connection, table: str, rowids: Sequence[int]) -> int:
    """Delete rows by number; returns how many were there."""
    return cx.execute(
        f"DELETE FROM {table} WHERE rowid IN (SELECT value FROM json_each(?))",
        (json.dumps(rowids),),
    ).rowcount
