"""The health of a node as a small table: two thresholds a measure, N of M polls, flap suppression. Pure.

| from | to | when |
| --- | --- | --- |
| any | down | `down_failures` of the last `window` polls failed |
| down | ok or warning | fewer failed, and the last `recover_polls` polls all answered |
| ok | warning | a measure reached its upper threshold, or a poll of the window failed |
| warning | ok | every measure fell under its lower threshold and the window is clean |
| any | flapping (a warning) | the weighted changes of the last 20 states exceed `flap_start_pct` |
| flapping | down | every poll of the window failed: it does not flap any more, it is gone |
| flapping | as above | the changes fall under `flap_stop_pct` |
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

import msgspec

from local_store.records import NodeStateName

STATES_KEPT: Final = 20


@dataclass(frozen=True, slots=True)
class Threshold:
    """Raised at or above `upper`, cleared below `lower`: between them nothing changes."""

    upper: float
    lower: float

    def __post_init__(self) -> None:
        if self.lower > self.upper:
            raise ValueError(f"the lower threshold {self.lower:g} lies above the upper one {self.upper:g}")


def _default_thresholds() -> dict[str, Threshold]:
    return {"rtt": Threshold(200.0, 150.0), "load": Threshold(90.0, 80.0), "memory": Threshold(92.0, 88.0)}


@dataclass(frozen=True, slots=True)
class HealthLimits:
    """All numbers of the table. `window` is M and `down_failures` N of "N of M"."""

    thresholds: Mapping[str, Threshold] = field(default_factory=_default_thresholds)
    window: int = 5
    down_failures: int = 3
    recover_polls: int = 2
    flap_start_pct: float = 30.0
    flap_stop_pct: float = 25.0


class Health(msgspec.Struct, array_like=True, frozen=True, gc=False):
    """What has to be remembered between polls. `polls` holds one bit per poll, newest lowest, 1 = failed;
    `changes` one bit per state, newest lowest, 1 = it differed from the one before; `raised` the measures that are
    above their lower threshold since they reached the upper one."""

    state: NodeStateName = "unknown"
    since_ms: int = 0
    cause: str = ""
    polls: int = 0
    seen: int = 0
    raised: tuple[str, ...] = ()
    changes: int = 0
    flapping: bool = False
    raw: NodeStateName = "unknown"


@dataclass(frozen=True, slots=True)
class Reading:
    """One poll as far as health cares: the failure's code ("" = answered) and measures by threshold name."""

    failure: str
    measures: Mapping[str, float | None]
    fault: str = ""


def loss_pct(health: Health, limits: HealthLimits) -> float:
    """Share of the last `window` polls that failed."""
    seen = min(health.seen, limits.window)
    return 100.0 * _failures(health.polls, limits.window) / seen if seen else 0.0


def judge(health: Health, reading: Reading, limits: HealthLimits, now_ms: int) -> Health:
    """The health after one more poll."""
    mask = (1 << limits.window) - 1
    polls = (health.polls << 1 | (1 if reading.failure else 0)) & mask
    raised = _raised(health.raised, reading, limits)
    raw, cause = _raw_state(health.raw, polls, raised, reading, limits)
    changed = health.raw not in (raw, "unknown")
    changes = (health.changes << 1 | changed) & ((1 << STATES_KEPT) - 1)
    is_flapping = flapping(changes, health.flapping, limits)
    state: NodeStateName = raw
    if is_flapping and (raw != "down" or (polls != mask and health.state != "down")):
        state, cause = "warning", "flapping"
    if state == health.state == "down" and not reading.failure:
        cause = health.cause
    since_ms = health.since_ms if state == health.state else now_ms
    return Health(state, since_ms, cause, polls, min(health.seen + 1, 1 << 30), raised, changes, is_flapping, raw)


def _failures(polls: int, window: int) -> int:
    return (polls & ((1 << window) - 1)).bit_count()


def _raised(before: tuple[str, ...], reading: Reading, limits: HealthLimits) -> tuple[str, ...]:
    """Hysteresis per measure; a measure without a value keeps what it was."""
    if reading.failure:
        return before
    return tuple(
        name for name, limit in limits.thresholds.items() if _is_up(name in before, reading.measures.get(name), limit)
    )


def _is_up(before: bool, value: float | None, limit: Threshold) -> bool:
    if value is None:
        return before
    return value >= (limit.lower if before else limit.upper)


def _raw_state(
    before: NodeStateName, polls: int, raised: tuple[str, ...], reading: Reading, limits: HealthLimits
) -> tuple[NodeStateName, str]:
    failures = _failures(polls, limits.window)
    if failures >= limits.down_failures:
        return "down", reading.failure or "silent"
    if before == "down" and polls & ((1 << limits.recover_polls) - 1):
        return "down", reading.failure or "silent"
    if reading.fault:
        return "warning", reading.fault
    if raised:
        return "warning", raised[0]
    if failures:
        return "warning", "loss"
    return "ok", ""


def flapping(changes: int, before: bool, limits: HealthLimits) -> bool:
    """Newer changes weigh more: 0.8 for the oldest of 20 up to 1.2 for the newest, as Icinga weighs them."""
    weight = (
        sum(1.2 - 0.4 * at / (STATES_KEPT - 1) for at in range(STATES_KEPT) if changes >> at & 1) if changes else 0.0
    )
    share_pct = 100.0 * weight / STATES_KEPT
    return share_pct > (limits.flap_stop_pct if before else limits.flap_start_pct)
