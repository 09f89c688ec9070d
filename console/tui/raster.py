"""Lines and dots on a grid of character cells: braille, half blocks or plain signs. Pure; no idea what is drawn."""

from __future__ import annotations

from typing import Final, Literal

Glyphs = Literal["braille", "block", "ascii"]
DOTS: Final = {"braille": (2, 4), "block": (1, 2), "ascii": (1, 1)}
"""Dots of one cell, across and down."""
_BRAILLE: Final = (0x01, 0x08, 0x02, 0x10, 0x04, 0x20, 0x40, 0x80)
"""The bit of each dot of a braille cell, row by row (Unicode 2800)."""
_BLOCKS: Final = " ▀▄█"


class Raster:
    """Bits and one colour a cell; where several want a cell the greater colour wins."""

    __slots__ = ("_bits", "across", "colour", "columns", "down", "glyphs", "rows")

    def __init__(self, columns: int, rows: int, glyphs: Glyphs = "braille") -> None:
        self.columns = columns
        self.rows = rows
        self.glyphs = glyphs
        self.across, self.down = DOTS[glyphs]
        self._bits = bytearray(columns * rows)
        self.colour = bytearray(columns * rows)

    @property
    def width(self) -> int:
        """In dots."""
        return self.columns * self.across

    @property
    def height(self) -> int:
        """In dots."""
        return self.rows * self.down

    def line(self, x0: float, y0: float, x1: float, y1: float, colour: int, dash: int = 0b1111) -> None:
        """A line between two dots, clipped to the grid; `dash` says which of four dots in a row are drawn."""
        clipped = clip(x0, y0, x1, y1, self.width - 1, self.height - 1)
        if clipped is None:
            return
        ax, ay, bx, by = map(round, clipped)
        dx, dy = abs(bx - ax), -abs(by - ay)
        step_x, step_y = (1 if ax < bx else -1), (1 if ay < by else -1)
        error = dx + dy
        bits, colours = self._bits, self.colour
        across, down, columns = self.across, self.down, self.columns
        mark = "-" if dx > -2 * dy else "|" if -dy > 2 * dx else "\\" if step_x == step_y else "/"
        sign = ord(mark)
        at = 0
        while True:
            if dash >> (at & 3) & 1:
                cell = ay // down * columns + ax // across
                if across == 2:
                    bits[cell] |= _BRAILLE[ay % 4 * 2 + ax % 2]
                elif down == 2:
                    bits[cell] |= 1 + ay % 2
                else:
                    bits[cell] = sign
                colours[cell] = max(colours[cell], colour)
            if ax == bx and ay == by:
                return
            at += 1
            twice = 2 * error
            if twice >= dy:
                error += dy
                ax += step_x
            if twice <= dx:
                error += dx
                ay += step_y

    def row(self, at: int) -> str:
        """One row of cells as text."""
        bits = self._bits[at * self.columns : (at + 1) * self.columns]
        if self.glyphs == "braille":
            return "".join(chr(0x2800 + one) if one else " " for one in bits)
        if self.glyphs == "block":
            return "".join(_BLOCKS[one] for one in bits)
        return "".join(chr(one) if one else " " for one in bits)


def clip(
    x0: float, y0: float, x1: float, y1: float, right: float, bottom: float
) -> tuple[float, float, float, float] | None:
    """The part of a line inside 0..right, 0..bottom (Liang and Barsky, 1984); None when there is none."""
    dx, dy = x1 - x0, y1 - y0
    enter, leave = 0.0, 1.0
    for step, room in ((-dx, x0), (dx, right - x0), (-dy, y0), (dy, bottom - y0)):
        if step == 0:
            if room < 0:
                return None
            continue
        share = room / step
        if step < 0:
            enter = max(enter, share)
        else:
            leave = min(leave, share)
        if enter > leave:
            return None
    return x0 + enter * dx, y0 + enter * dy, x0 + leave * dx, y0 + leave * dy
