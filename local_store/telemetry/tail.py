"""The append-only tail, and how far the roll has emptied it. Samples arrive here and nowhere else."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable
from dataclasses import dataclass

from local_store.records import Sample
from local_store.sqlite import Connection

ROLL_KEY = "roll"


@dataclass(frozen=True, slots=True)
class RollState:
    """A roll under way: rows up to `upto` of every series up to `series` are in chunks already."""

    upto: int
    series: int


NO_ROLL = RollState(0, 0)


def append(cx: Connection, samples: Iterable[Sample]) -> None:
    """Add samples in arrival order inside the caller's transaction.

    Raises ValueError for a value that is not finite: a measurement that is no number belongs into quarantine.
    """
    rows = list(samples)
    for row in rows:
        if not math.isfinite(row[2]):
            raise ValueError(f"series {row[0]}: {row[2]} is no measurement")
    cx.executemany("INSERT INTO tail (series, t_ms, value) VALUES (?, ?, ?)", rows)


def size(cx: Connection, schema: str = "main") -> int:
    """Rows in the tail, rolled ones that are not deleted yet included; cheap."""
    row = cx.execute(f"SELECT max(rowid) - min(rowid) + 1 FROM {schema}.tail").fetchone()  # noqa: S608
    return int(row[0] or 0)


def state(cx: Connection, schema: str = "main") -> RollState:
    """Where a roll stands; NO_ROLL when none is under way."""
    row = cx.execute(f"SELECT value FROM {schema}.meta WHERE key = ?", (ROLL_KEY,)).fetchone()  # noqa: S608
    return NO_ROLL if row is None else RollState(**json.loads(row[0]))


def set_state(cx: Connection, new: RollState | None) -> None:
    """Note where the roll stands, in the same transaction as the chunks it wrote; None when it is over."""
    if new is None:
        cx.execute("DELETE FROM meta WHERE key = ?", (ROLL_KEY,))
    else:
        text = json.dumps({"upto": new.upto, "series": new.series})
        cx.execute("INSERT OR REPLACE INTO meta (key, value) VALUES (?, ?)", (ROLL_KEY, text))
