"""What a screen looks like, as text that can be read in a diff: its lines, then where colour carries meaning.

`LEITSTAND_GOLDENS=update` writes the files anew; look at the diff before you commit it.
"""

from __future__ import annotations

import os
import re
from pathlib import Path

from rich.segment import Segment

from tests.tui.driver import Ui

PLACE = Path(__file__).parents[1] / "golden"
_SIZE = re.compile(r" *\d+(?:[.,]\d+)? [kMG]?B\b")
"""How large the files of the store are is not the screen's doing."""


def picture(ui: Ui) -> str:
    """The screen as text."""
    strips = ui.strips()
    text = [_SIZE.sub(" # B", strip.text.rstrip()) for strip in strips]
    colours = [line for at, strip in enumerate(strips) for line in _coloured(at, list(strip))]
    return "\n".join([*text, *colours]) + "\n"


def _coloured(row: int, segments: list[Segment]) -> list[str]:
    """Where a line has one of the colours that mean something: `row 7: red bold 29-33`."""
    found, x = [], 0
    for segment in segments:
        end = x + segment.cell_length
        style = segment.style
        if style is not None and style.color is not None and style.color.name in ("red", "yellow", "cyan"):
            word = style.color.name + (" bold" if style.bold else "") + (" reversed" if style.reverse else "")
            found.append(f"row {row}: {word} {x}-{end - 1}")
        x = end
    return found


def check(ui: Ui, name: str) -> None:
    """Compare with the stored picture."""
    path, found = PLACE / f"{name}.txt", picture(ui)
    if os.environ.get("LEITSTAND_GOLDENS") == "update":
        path.parent.mkdir(exist_ok=True)
        path.write_text(found, encoding="utf-8")
    expected = path.read_text(encoding="utf-8") if path.exists() else ""
    assert found == expected, f"{path.name} looks different; LEITSTAND_GOLDENS=update writes it anew"
