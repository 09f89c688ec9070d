"""Measurements as a city makes them, for benchmarks: seeded, with the noise, digits and intervals of the real kinds.

Nodes are asked every 60 s and answer 5 to 40 ms late; load and traffic follow the day, half of the neighbouring polls
of `clients` and nearly all of `oper_up` repeat. Climate stations report every 5 minutes, bins every 30, each some
seconds early or late. Values have the digits the drivers keep: whole bit/s, hundredths of a ms, tenths of the rest.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from local_store.telemetry.tail import RECORD, Rows

Floats = npt.NDArray[np.float64]
Made = Callable[[np.random.Generator, Floats, float], Floats]
"""(rng, level of each thing 0..1, time of day -1..1) -> one value a thing."""

START_MS = 1_764_000_000_000
MINUTE_MS = 60_000


@dataclass(frozen=True, slots=True)
class Kind:
    """Things that report the same quantities together."""

    every_min: int
    jitter_ms: int
    quantities: tuple[Made, ...]


def _normal(middle: float, day: float, noise: float, digits: int) -> Made:
    def made(rng: np.random.Generator, level: Floats, sun: float) -> Floats:
        return np.round(middle * (0.7 + 0.6 * level) + day * sun + rng.normal(0, noise, len(level)), digits)

    return made


def _traffic(rng: np.random.Generator, level: Floats, sun: float) -> Floats:
    return np.rint(10 ** (4 + 3 * level + 0.5 * sun + rng.normal(0, 0.2, len(level))))


def _fill(rng: np.random.Generator, level: Floats, sun: float) -> Floats:
    del rng
    return np.round(100 * (level + sun / 3) % 100)


def _mostly(value: float, else_up_to: float, share: float) -> Made:
    def made(rng: np.random.Generator, level: Floats, sun: float) -> Floats:
        del sun
        seldom = rng.random(len(level)) < share
        return np.where(seldom, np.round(rng.random(len(level)) * else_up_to, 1), value)

    return made


_INTERFACE = (_traffic, _traffic, _mostly(1.0, 0.0, 0.0005))
_RADIO = (_normal(-95, 0, 4, 0), _normal(7, 0, 2, 1), _normal(80, 0, 0, 0))
NODE = Kind(
    1,
    35,
    (_normal(6, 1, 1.5, 2), _normal(30, 15, 4, 0), _normal(45, 2, 0.2, 1), _normal(8, 5, 0.7, 0), *_INTERFACE * 4),
)
CLIMATE = Kind(
    5,
    3_000,
    (
        *(_normal(14, 6, 0.1, 1), _normal(70, -15, 0.6, 1), _normal(1010, 1, 0.1, 1), _normal(24, 9, 2, 1)),
        *(_normal(18, 5, 1.5, 1), _normal(9, 3, 0.8, 1), _normal(50, 25, 3, 1), _normal(3, 1, 0.9, 1)),
        *(_mostly(0.0, 2.0, 0.05), *_RADIO),
    ),
)
BIN = Kind(30, 20_000, (_fill, _normal(900, 60, 4, 0), _normal(14, 6, 0.2, 1), _mostly(0.0, 5.0, 0.01), *_RADIO))
CITY = ((NODE, 100), (CLIMATE, 30), (BIN, 300))


def series_count() -> int:
    """Series in the city."""
    return sum(len(kind.quantities) * things for kind, things in CITY)


def minutes(seed: int) -> Iterator[Rows]:
    """Records of (series, t_ms, value) of one minute after the other, without end."""
    rng = np.random.default_rng(seed)
    levels = [rng.random(things) for _, things in CITY]
    minute = 0
    while True:
        parts: list[Rows] = []
        sun = float(np.sin(minute / 1440 * 2 * np.pi))
        first = 1
        for (kind, things), level in zip(CITY, levels, strict=True):
            asked = np.flatnonzero((np.arange(things) + minute) % kind.every_min == 0)
            late = START_MS + minute * MINUTE_MS + asked * 7 + rng.integers(5, 5 + kind.jitter_ms, len(asked))
            for at, made in enumerate(kind.quantities):
                rows = np.empty(len(asked), dtype=RECORD)
                rows["series"] = first + asked * len(kind.quantities) + at
                rows["t"], rows["v"] = late, made(rng, level[asked], sun) + 0.0
                parts.append(rows)
            first += things * len(kind.quantities)
        yield np.concatenate(parts)
        minute += 1
