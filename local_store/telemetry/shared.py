"""What chunks have in common: rows of times that several of them use, and the totals over all chunks.

Only `chunks` writes here, in the transaction that adds or removes the chunks.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Final

from local_store.errors import StoreDamaged
from local_store.sqlite import Connection
from local_store.telemetry import statements

_LISTED: Final = "(SELECT value FROM json_each(?))"


def load(cx: Connection, times: int | None, schema: str = "main") -> bytes | None:
    """The packed times of a row; None for a chunk that holds its own. Raises StoreDamaged when the row is missing."""
    if times is None:
        return None
    row = cx.execute(f"SELECT body FROM {schema}.times WHERE times = ?", (times,)).fetchone()
    if row is None:
        raise StoreDamaged(f"its times (row {times}) are missing")
    return bytes(row[0])


def add(cx: Connection, wanted: Sequence[tuple[bytes, int | None]]) -> dict[bytes, int]:
    """Store each distinct body once, counting its uses; beside each body the number of a chunk that uses it.

    Times of open chunks take over the number of the first of these, so that rewriting them leaves no holes among the
    times of finished chunks, which count up.
    """
    uses: dict[bytes, list[int | None]] = {}
    for body, number in wanted:
        uses.setdefault(body, []).append(number)
    numbers = {body: users[0] for body, users in uses.items() if users[0] is not None}
    held = f"SELECT times FROM times WHERE times IN {_LISTED}"
    taken = {row[0] for row in cx.execute(held, (json.dumps(list(numbers.values())),))}
    following = max(0, cx.execute("SELECT coalesce(max(times), 0) FROM times").fetchone()[0])
    homes: dict[bytes, int] = {}
    for body in uses:
        number = numbers.get(body)
        if number is None or number in taken:
            following += 1
            number = following
        homes[body] = number
    rows = [(home, len(uses[body]), body) for body, home in homes.items()]
    statements.insert(cx, "times", ("times", "refs", "body"), rows)
    return homes


def release(cx: Connection, chunks: Sequence[int]) -> None:
    """Give up what these chunks use and count; call before they are deleted."""
    found = cx.execute(
        f"SELECT times, count(*), sum(n) FROM chunk WHERE chunk IN {_LISTED} GROUP BY times", (json.dumps(chunks),)
    ).fetchall()
    count(cx, -sum(uses for _, uses, _ in found), -sum(samples for *_, samples in found))
    given_up = {times: uses for times, uses, _ in found if times is not None}
    listed = json.dumps(list(given_up))
    left = {
        times: refs - given_up[times]
        for times, refs in cx.execute(f"SELECT times, refs FROM times WHERE times IN {_LISTED}", (listed,)).fetchall()
    }
    statements.delete(cx, "times", [times for times, refs in left.items() if refs <= 0])
    for times, refs in left.items():
        if refs > 0:
            cx.execute("UPDATE times SET refs = ? WHERE times = ?", (refs, times))


def count(cx: Connection, chunks: int, samples: int) -> None:
    """Add to the totals."""
    cx.execute("UPDATE held SET chunks = chunks + ?, samples = samples + ?", (chunks, samples))


def totals(cx: Connection, schema: str = "main") -> tuple[int, int]:
    """Chunks and the samples in them, without reading any."""
    chunks, samples = cx.execute(f"SELECT chunks, samples FROM {schema}.held").fetchone()
    return int(chunks), int(samples)


def miscounted(cx: Connection, schema: str = "main") -> list[str]:
    """A sentence for each count that is not what the rows say; reads them all."""
    told = totals(cx, schema)
    counted = cx.execute(f"SELECT count(*), ifnull(sum(n), 0) FROM {schema}.chunk").fetchone()
    found = []
    if told != tuple(counted):
        found.append("the totals say {} chunks with {} samples, there are {} with {}".format(*told, *counted))
    wrong = cx.execute(
        f"SELECT t.times, t.refs, count(c.chunk) FROM {schema}.times t "
        f"LEFT JOIN (SELECT chunk, times FROM {schema}.chunk) c ON c.times = t.times GROUP BY t.times "
        "HAVING count(c.chunk) != t.refs"
    )
    found += [f"times in row {times}: used by {uses} chunks, counted as {refs}" for times, refs, uses in wrong]
    return found
