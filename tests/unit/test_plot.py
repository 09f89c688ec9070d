"""The plot of a history in every glyph set."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from console.tui.present import plot


@given(
    st.lists(st.none() | st.floats(-1e6, 1e6), max_size=80),
    st.integers(1, 40),
    st.integers(1, 6),
    st.sampled_from(["braille", "block", "ascii"]),
)
def test_a_plot_always_has_its_size(values: list[float | None], width: int, height: int, glyphs: str) -> None:
    rows = plot(values, width, height, glyphs)
    assert len(rows) == height
    assert {len(row) for row in rows} == {width}


@pytest.mark.parametrize(
    ("glyphs", "expected"),
    [("ascii", ["  #", "###"]), ("block", ["  █", "▁█"[0] + "█" + "█"])],
)
def test_a_rising_line_rises(glyphs: str, expected: list[str]) -> None:
    rows = plot([0, 0, 5, 5, 10, 10], 3, 2, glyphs)
    assert rows[1][0] != " "
    assert rows[0][0] == " "
    assert rows[0][2] == expected[0][2]
