"""The gates of a rollout: what must hold before, during and after a wave, with the numbers seen. Pure, no I/O."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

from mesh_mgmt.rollout_states import FAILURES, State

NEIGHBOURS_BACK_PCT = 90.0
SIGNAL_DROP_DB = 6.0


@dataclass(frozen=True, slots=True)
class Check:
    """One thing looked at. `what` is a code, `seen` and `wanted` are shown beside each other."""

    what: str
    ok: bool
    seen: str = ""
    wanted: str = ""


def passed(checks: Iterable[Check]) -> bool:
    """Whether nothing stands in the way."""
    return all(check.ok for check in checks)


@dataclass(frozen=True, slots=True)
class Window:
    """A daily span in local time in which nodes may restart; `end` at or before `start` is on the next day.

    `days` are ISO weekdays (1 is Monday) on which it begins.
    """

    start: str
    end: str
    zone: str = "Europe/Berlin"
    days: tuple[int, ...] = (1, 2, 3, 4, 5, 6, 7)


def window_end(windows: Sequence[Window], now_ms: int) -> int | None:
    """The end of the window that is open now, the latest of several; None when none is open."""
    ends = [end for window in windows for start, end in _spans(window, now_ms) if start <= now_ms < end]
    return max(ends, default=None)


def longest_s(windows: Sequence[Window]) -> int:
    """How long the longest window is by the clock on the wall, in seconds."""
    at = {text: 60 * int(text[:2]) + int(text[3:]) for one in windows for text in (one.start, one.end)}
    return max((60 * ((at[one.end] - at[one.start]) % 1440 or 1440) for one in windows), default=0)


def next_window(windows: Sequence[Window], now_ms: int) -> int | None:
    """When the next window opens after now."""
    starts = [start for window in windows for start, _ in _spans(window, now_ms) if start > now_ms]
    return min(starts, default=None)


def _spans(window: Window, now_ms: int) -> list[tuple[int, int]]:
    """The spans that begin from yesterday to a week ahead. An hour that a clock change leaves out starts after it."""
    zone = ZoneInfo(window.zone)
    today = datetime.fromtimestamp(now_ms / 1000, UTC).astimezone(zone).date()
    spans = []
    for ahead in range(-1, 9):
        day = today + timedelta(days=ahead)
        if day.isoweekday() in window.days:
            last = day + timedelta(days=window.end <= window.start)
            spans.append(tuple(_moment(f"{date:%Y-%m-%d} {at}", zone)
                               for date, at in ((day, window.start), (last, window.end))))  # fmt: skip
    return [(start, end) for start, end in spans]


def _moment(text: str, zone: ZoneInfo) -> int:
    local = datetime.strptime(text, "%Y-%m-%d %H:%M").replace(tzinfo=zone)
    return int(local.timestamp() * 1000)


def latest_start(windows: Sequence[Window], now_ms: int, takes_ms: int) -> Check:
    """Whether what takes `takes_ms` still ends inside the open window. No window: always."""
    if not windows:
        return Check("window", ok=True)
    end = window_end(windows, now_ms)
    left = 0 if end is None else end - now_ms
    return Check("window", left > takes_ms, f"{left // 1000} s", f"> {takes_ms // 1000} s")


@dataclass(frozen=True, slots=True)
class Member:
    """What the budget knows of one node."""

    node: str
    wave: int
    model: str
    uplink: str
    state: State


def budget(
    members: Sequence[Member],
    wave: int,
    failure_pct: float,
    accepted: int = 0,
    behind: Mapping[str, AbstractSet[str]] | None = None,
) -> list[Check]:
    """The error budget per wave, model and subtree: silence (LOST) counts. `accepted` failures a person agreed to.

    `behind` holds what hangs on each cut node. One failure there is no pattern yet, two are.
    """
    inside = [member for member in members if member.wave == wave]
    checks = [_within("failures_wave", inside, failure_pct, accepted)]
    for model in sorted({member.model for member in inside}):
        same = [member for member in members if member.model == model]
        checks.append(_within(f"failures_model {model}", same, failure_pct, accepted))
    for above, hanging in sorted((behind or {}).items()):
        there = [member for member in members if member.node in hanging]
        if any(member.state in FAILURES for member in there):
            checks.append(_within(f"failures_behind {above}", there, failure_pct, accepted, least=1))
    return checks


def _within(what: str, members: Sequence[Member], failure_pct: float, accepted: int, least: int = 0) -> Check:
    failed = sum(member.state in FAILURES for member in members)
    allowed = max(least, int(len(members) * failure_pct / 100)) + accepted
    share = 100 * failed / len(members) if members else 0.0
    return Check(what, failed <= allowed, f"{failed}/{len(members)} ({share:.1f} %)", f"<= {allowed}")


def shows_rate_below(good: int) -> float:
    """What `good` successes and no failure show with 95 % confidence: the failure rate is below this, in percent."""
    return 100.0 if good < 1 else 100 * (1 - 0.05 ** (1 / good))


@dataclass(frozen=True, slots=True)
class Health:
    """How well a node hears its mesh: per band the count of neighbours and the mean signal, if it tells one."""

    neighbours: Mapping[str, int] = field(default_factory=dict)
    signal_dbm: Mapping[str, float] = field(default_factory=dict)


def health(before: Health, after: Health) -> list[Check]:
    """After a restart the neighbours are back on every band and the signal has not fallen."""
    checks = []
    for band, count in sorted(before.neighbours.items()):
        back = after.neighbours.get(band, 0)
        ok = back >= count * NEIGHBOURS_BACK_PCT / 100
        checks.append(Check(f"neighbours {band}", ok, str(back), f">= {NEIGHBOURS_BACK_PCT:.0f} % of {count}"))
    for band, signal in sorted(before.signal_dbm.items()):
        now = after.signal_dbm.get(band)
        if now is not None:
            ok = signal - now < SIGNAL_DROP_DB
            checks.append(Check(f"signal {band}", ok, f"{now:.0f} dBm", f"> {signal - SIGNAL_DROP_DB:.0f} dBm"))
    return checks


def image(why_not: str | None) -> Check:
    """The image may still be used: not revoked, not expired, its file untouched."""
    return Check("image", why_not is None, why_not or "trusted", "trusted")


def backup(read_ms: int | None, restorable: bool, age_s: int, now_ms: int) -> Check:
    """A node's configuration was read not longer ago than `age_s` and can be put back; 0 waives it."""
    old_s = None if read_ms is None else max(0, now_ms - read_ms) // 1000
    ok = age_s == 0 or (restorable and old_s is not None and old_s < age_s)
    seen = "none" if old_s is None else f"{old_s} s" if restorable else "not restorable"
    return Check("backup", ok, seen, f"< {age_s} s")


def dark(
    going: AbstractSet[str],
    already: AbstractSet[str],
    district_of: Mapping[str, str],
    in_all: int | None,
    per_district: int | None,
) -> list[Check]:
    """Not more nodes without service at once than agreed, in all and in each district that `going` touches."""
    gone = going | already
    checks = [] if in_all is None else [Check("dark", len(gone) <= in_all, str(len(gone)), f"<= {in_all}")]
    touched = {district_of.get(node, "") for node in going} - {""}
    for district in sorted(touched if per_district is not None else ()):
        count = sum(district_of.get(node, "") == district for node in gone)
        checks.append(
            Check(f"dark_district {district}", count <= (per_district or 0), str(count), f"<= {per_district}")
        )
    return checks


def redundancy(thinned: AbstractSet[str], listed: AbstractSet[str]) -> Check:
    """Nobody hangs on one node meanwhile who did not before, but for those the plan listed and people agreed to."""
    more = sorted(thinned - listed)
    return Check("redundancy", not more, ", ".join(more[:5]) or "as planned", "as planned")


def on_call(cuts: Sequence[str], name: str) -> Check:
    """Somebody can be sent out when the plan restarts nodes that others hang on."""
    return Check("on_call", not cuts or bool(name.strip()), name.strip() or "nobody", f"{len(cuts)} cut nodes")


def alarms(before: int, now: int) -> Check:
    """Not more critical alarms on the wave's nodes and around them than when it opened."""
    return Check("alarms", now <= before, str(now), f"<= {before}")


def wave_proof(states: Sequence[State]) -> list[Check]:
    """After a wave: everybody it touched is proven, and what that proves about the rest."""
    touched = [state for state in states if state in FAILURES or state is State.CONFIRMED]
    good = sum(state is State.CONFIRMED for state in touched)
    failed = len(touched) - good
    shown = f"{good} proven, {failed} failed"
    claim = f"failure rate below {shows_rate_below(good):.1f} %" if not failed and good else ""
    return [Check("proven", ok=True, seen=shown, wanted=claim)]
