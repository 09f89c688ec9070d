"""The right end of the top line: engine, write state, how old the newest data is, the clock; or that it is the past."""

from __future__ import annotations

from collections.abc import Sequence

from rich.cells import cell_len

from console import texts
from console.texts import _
from console.tui.lines import Part
from local_store.lease import LeaseRow


def write_word(armed_until_ms: int | None, now_ms: int) -> str:
    """Whether writing is allowed, and for how long."""
    if armed_until_ms is None:
        return _("READ-ONLY")
    left = max(0, armed_until_ms - now_ms) // 1000
    return f"{_('WRITING')} {left // 60}:{left % 60:02}"


def now_parts(held: LeaseRow | None, newest_ms: int | None, words: Sequence[str], now_ms: int, room: int) -> list[Part]:
    """Engine, words, age of the data, time: as much of it as leaves room for where one is."""
    if held is not None and held.is_fresh(now_ms):
        engine = "● ONLINE"
    else:
        when = texts.age(held.beat_ms, now_ms) if held is not None and held.beat_ms else _("never")
        engine = f"○ {_('NO ENGINE')} {when}"
    fresh = [] if newest_ms is None else [f"⟳ {texts.age(newest_ms, now_ms)}"]
    clock = texts.clock(now_ms)[:5]
    day = f"{texts.weekday(now_ms)} {clock}"
    wordy = ("   ".join([engine, *words, *fresh, day]), "   ".join([engine, *words, day]))
    for text in (*wordy, "  ".join([engine, *words, clock])):
        if cell_len(text) + 1 <= room:
            break
    return [(f"{text} ", "")]


def past_parts(at_ms: int, word: str, room: int) -> list[Part]:
    """Loud: what is shown is not now. Where there is little room, the word gives way before the moment does."""
    moment = f"{texts.weekday(at_ms)} {texts.moment(at_ms)[:16]}"
    for when in (f" ◀ {_('PAST')} {moment} ", f" ◀ {moment} ", f" ◀ {moment[-16:]} "):
        if cell_len(when) + cell_len(word) + 2 <= room:
            break
    return [(when, "past"), (f" {word} ", "")]
