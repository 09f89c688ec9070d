"""From two readings of a counter to a rate, or to an honest None. Pure.

Rules: a 64-bit counter that fell was reset, never wrapped. A 32-bit one may have wrapped once, and is believed only
if the rate then fits the interface. Whatever happened across a reboot or a discontinuity is not a rate (RFC 2863
section 3.1.5 and 3.1.6). Time is the agent's own sysUpTime, so that no clock of ours can jump into a rate.
"""

from __future__ import annotations

from typing import Final

TICKS_PER_S: Final = 100
WRAP32: Final = 1 << 32
WRAP_NEAR_TICKS: Final = 90_000 * TICKS_PER_S
"""A fall of the uptime is a wrap only within a good day of 497 days; everything else is a restart."""
SLACK: Final = 1.2
"""Counters and uptime are not read at the same instant by the agent; a full link may seem a little fuller."""


def elapsed_s(before_ticks: int | None, after_ticks: int | None) -> float | None:
    """Seconds between two sysUpTime readings of one boot, across its wrap after 497 days; None when unusable."""
    if before_ticks is None or after_ticks is None:
        return None
    ticks = after_ticks - before_ticks
    if ticks < 0:
        ticks += WRAP32
        if ticks > WRAP_NEAR_TICKS:
            return None
    return ticks / TICKS_PER_S if ticks else None


def rebooted(before: tuple[int | None, int | None], after: tuple[int | None, int | None]) -> bool:
    """Whether the host restarted between two readings of (snmpEngineBoots, hrSystemUptime in ticks).

    More boots alone is an agent restart; a lower uptime with equal boots near 497 days is a wrap.
    """
    boots_before, up_before = before
    boots_after, up_after = after
    if up_before is None or up_after is None:
        return False
    if up_after >= up_before:
        return False
    wrapped = up_after - up_before + WRAP32 <= WRAP_NEAR_TICKS and boots_before == boots_after
    return not wrapped


def rate64_bps(before: int | None, after: int | None, seconds: float | None, speed_mbps: int | None) -> float | None:
    """Bits per second of a 64-bit octet counter; None after a reset or above what the interface can carry."""
    if before is None or after is None or seconds is None or after < before:
        return None
    return _possible((after - before) * 8 / seconds, speed_mbps)


def rate32_bps(before: int | None, after: int | None, seconds: float | None, speed_mbps: int | None) -> float | None:
    """The same for 32 bits: one wrap is added, and believed only if the speed is known and allows it."""
    if before is None or after is None or seconds is None:
        return None
    if after >= before:
        return _possible((after - before) * 8 / seconds, speed_mbps)
    return _possible((after - before + WRAP32) * 8 / seconds, speed_mbps) if speed_mbps else None


FASTEST_BPS: Final = 1e14
"""No interface carries more: a counter that jumped, which nobody can tell where an agent names no speed."""


def _possible(bps: float, speed_mbps: int | None) -> float | None:
    most = min(FASTEST_BPS, speed_mbps * 1_000_000 * SLACK) if speed_mbps else FASTEST_BPS
    return bps if 0 <= bps <= most else None
