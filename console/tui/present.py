"""From rows of the views to cells: words, numbers, colours. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from console import texts
from console.texts import _
from console.tui.table_columns import Cells, Column

GLYPHS: Final = {"ok": "●", "warning": "▲", "down": "✖", "unreachable": "◌", "unknown": "○", "critical": "✖"}
ASCII: Final = {"ok": "OK", "warning": "! ", "down": "X ", "unreachable": "- ", "unknown": "? ", "critical": "X "}
BARS: Final = "▁▂▃▄▅▆▇█✖"


def glyph(state: str, ascii_only: bool = False) -> str:
    """The sign of a state; never without its word beside it."""
    return (ASCII if ascii_only else GLYPHS).get(state, "?")


def state_text(state: str, cause: str, ascii_only: bool = False) -> str:
    """Sign, word, and the cause where there is one."""
    return f"{glyph(state, ascii_only)} {texts.cause(cause) if cause else texts.state(state)}"


def bars(history: str, ascii_only: bool = False) -> str:
    """The last 24 hours, three in each sign, the worst of them counts; blank where nobody watched."""
    day = history[-24:].rjust(24)
    worst = [max(day[at : at + 3]) for at in range(0, 24, 3)]
    if ascii_only:
        return "".join(worst)
    return "".join(BARS[int(digit)] if digit.isdigit() else " " for digit in worst)


def node_columns() -> list[Column]:
    """The list of nodes."""
    return [
        Column("node", _("NODE"), 11, 0),
        Column("district", _("DISTRICT"), 13, 4),
        Column("role", _("ROLE"), 8, 5),
        Column("rank", _("STATE"), 19, 0, most=30),
        Column("rtt", "RTT", 8, 1, right=True),
        Column("loss", _("LOSS"), 5, 2, right=True),
        Column("load", _("LOAD"), 6, 6, right=True),
        Column("in", _("IN"), 12, 7, right=True),
        Column("fw", _("FIRMWARE"), 10, 8),
        Column("seen", _("SEEN"), 7, 0, right=True),
        Column("history", "24 h", 8, 2),
    ]


def node_cells(row: Mapping[str, Any], now_ms: int, ascii_only: bool) -> Cells:
    """One node."""
    state = str(row["state"])
    seen_style = "" if row["seen"] is not None and now_ms - row["seen"] < 180_000 else "dim"
    return (
        (str(row["node"]), ""),
        (str(row["district"]), ""),
        (texts.node_role(str(row["role"])), ""),
        (state_text(state, str(row["cause"]), ascii_only), state),
        (texts.number(row["rtt"], 1) + (" ms" if row["rtt"] is not None else ""), ""),
        (texts.percent(row["loss"]), "warning" if (row["loss"] or 0) > 0 else ""),
        (texts.percent(row["load"]), ""),
        (texts.bits(row["in"]), ""),
        (str(row["fw"] or "–"), ""),
        (texts.age(row["seen"], now_ms), seen_style),
        (bars(str(row["history"]), ascii_only), "dim"),
    )


def sensor_columns() -> list[Column]:
    """The list of sensors."""
    return [
        Column("name", _("NAME"), 13, 0),
        Column("kind", _("KIND"), 9, 4),
        Column("district", _("DISTRICT"), 13, 3),
        Column("state", _("STATE"), 12, 0),
        Column("fill", _("FILL"), 6, 1, right=True),
        Column("battery", _("BATTERY"), 8, 2, right=True),
        Column("rssi", "dBm", 5, 5, right=True),
        Column("sf", "SF", 3, 7, right=True),
        Column("gaps", _("GAPS"), 6, 2, right=True),
        Column("seen", _("SEEN"), 7, 0, right=True),
        Column("sensor", _("SENSOR"), 16, 6),
    ]


def sensor_cells(row: Mapping[str, Any], now_ms: int, ascii_only: bool) -> Cells:
    """One sensor."""
    state = str(row["state"])
    word = _("silent") if state == "warning" else texts.state(state)
    fill = row["fill"]
    return (
        (str(row["name"]), ""),
        (texts.sensor_kind(str(row["kind"])), ""),
        (str(row["district"]), ""),
        (f"{glyph(state, ascii_only)} {word}", state),
        (texts.percent(fill), "warning" if fill is not None and fill >= 80 else ""),
        (texts.percent(row["battery"]), "warning" if row["battery"] is not None and row["battery"] < 15 else ""),
        (texts.number(row["rssi"]), ""),
        (texts.number(row["sf"]), ""),
        (texts.number(row["gaps"]), ""),
        (texts.age(row["seen"], now_ms), ""),
        (str(row["sensor"]), "dim"),
    )


def plot(values: Sequence[float | None], width: int, height: int, glyphs: str = "braille") -> list[str]:
    """A line of up to `2 * width` values: braille dots, or bars in blocks or plain signs; gaps stay empty."""
    known = [value for value in values if value is not None]
    if not known:
        return [" " * width] * height
    low, high = min(known), max(known)
    span = (high - low) or 1.0
    if glyphs != "braille":
        return _bar_plot(values, width, height, (low, span), "#" if glyphs == "ascii" else BARS[:8])
    cells = [[0] * width for _row in range(height)]
    dots = ((0x40, 0x04, 0x02, 0x01), (0x80, 0x20, 0x10, 0x08))
    for at, value in enumerate(values[: width * 2]):
        if value is not None:
            up = min(height * 4 - 1, int((value - low) / span * (height * 4 - 1) + 0.5))
            cells[height - 1 - up // 4][at // 2] |= dots[at % 2][up % 4]
    return ["".join(chr(0x2800 + cell) if cell else " " for cell in row) for row in cells]


def _bar_plot(
    values: Sequence[float | None], width: int, height: int, scale: tuple[float, float], steps: str
) -> list[str]:
    """One bar per pair of values, the higher one counts; `steps` are the fillings of a cell from low to full."""
    low, span = scale
    rows = [[" "] * width for _row in range(height)]
    for at in range(min(width, len(values) // 2)):
        pair = [value for value in values[2 * at : 2 * at + 2] if value is not None]
        if not pair:
            continue
        units = 1 + int((max(pair) - low) / span * (height * len(steps) - 1) + 0.5)
        for row in range(height):
            filled = min(len(steps), units - row * len(steps))
            if filled > 0:
                rows[height - 1 - row][at] = steps[filled - 1]
    return ["".join(row) for row in rows]
