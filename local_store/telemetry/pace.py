"""When measurements move on, and how much of them at once. Pure rules, no I/O."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import Final

FOLD_SAMPLES: Final = 20_000
FOLD_BATCHES: Final = 1_000
MERGE_SAMPLES: Final = 200_000
MERGE_PER_SERIES: Final = 48
MERGE_AGE_MS: Final = 6 * 3_600_000
BITE_MS: Final = 15.0
"""What one transaction of upkeep may cost a writer that waits behind it: a third of what is promised."""


class Due(Enum):
    """What to do next."""

    NOTHING = "nothing"
    FOLD = "fold"
    MERGE = "merge"


@dataclass(frozen=True, slots=True)
class Load:
    """What waits in the tail (`rows` samples in `batches`) and in bundles, and the age of its oldest batch."""

    rows: int
    batches: int
    bundled: int
    series: int
    oldest_ms: int | None
    merging: bool = False
    """A merge was interrupted."""


def due(load: Load, now_ms: int) -> Due:
    """Keep the tail short enough to be read whole; merge when chunks are worth rewriting or when samples waited long.

    Merging rewrites the last small chunk of each series, so that it waits for some samples of every one.
    """
    waits = load.rows + load.bundled
    aged = load.oldest_ms is not None and now_ms - load.oldest_ms >= MERGE_AGE_MS
    if load.merging or (waits and aged) or waits >= max(MERGE_SAMPLES, MERGE_PER_SERIES * load.series):
        return Due.MERGE
    return Due.FOLD if load.rows >= FOLD_SAMPLES or load.batches >= FOLD_BATCHES else Due.NOTHING


def next_bite(rows: int, held_ms: float, most: int) -> int:
    """How many rows the next transaction takes, when one of `rows` kept others from writing for so long.

    Half after one that was too long, whether that was the processor's fault, the disk's or its own; a quarter more
    after one that was quick.
    """
    if held_ms > BITE_MS:
        return max(1, rows // 2)
    return min(most, rows + max(1, rows // 4)) if held_ms < BITE_MS / 3 else rows
