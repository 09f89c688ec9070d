"""Every key of a TOML text is found on its own line, however the text is written."""

from __future__ import annotations

import tomllib
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from console.toml_lines import Path, lines

TEXT = '''# [not.a.table]
top = 1
[store]
directory = """
[looks.like.a.table]
poll = 3
""" # more
raw_days = 30

[profile."Milesight EM310.v2"]
values = { fill_pct = "a.b", 'odd key' = [1, [2, 3]] }
[ mapping . weather ]
values.air_temp_c = "t"
list = [
  1, # one
  { inner = "x" },
]
[[broker]]
name = "a"
[[broker.subscribe]]
topic = "a#]"
[[broker.subscribe]]
topic = 'b'
[[broker]]
name = "b"
[[broker.subscribe]]
topic = """c"""
when = 1979-05-27 07:32:00.5Z
'''


def test_keys_are_found_in_every_way_of_writing() -> None:
    found = lines(TEXT)
    where = dict(enumerate(TEXT.splitlines(), 1))
    for path, key in {
        ("top",): "top =",
        ("store", "raw_days"): "raw_days",
        ("profile", "Milesight EM310.v2"): "[profile",
        ("profile", "Milesight EM310.v2", "values", "odd key", 1, 1): "values = {",
        ("mapping", "weather", "values", "air_temp_c"): "values.air",
        ("mapping", "weather", "list", 1, "inner"): "  { inner",
        ("broker", 0, "subscribe", 1, "topic"): "topic = 'b'",
        ("broker", 1): "[[broker]]",
        ("broker", 1, "subscribe", 0, "when"): "when",
    }.items():
        assert where[found[path]].startswith(key), path
    assert found["broker", 1] > found["broker", 0, "subscribe", 1, "topic"]


def paths(value: Any, path: Path = ()) -> set[Path]:
    """Every path of a parsed value."""
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return {path, *(one for key, entry in inner for one in paths(entry, (*path, key)))}


def test_exactly_the_paths_of_the_parsed_text_are_found() -> None:
    assert set(lines(TEXT)) | {()} == paths(tomllib.loads(TEXT))


KEYS = st.text(st.characters(exclude_categories=["Cs", "Cc"]), min_size=1, max_size=6)
SCALARS = st.integers(-9, 9) | st.booleans() | st.text(st.characters(exclude_categories=["Cs"]), max_size=8)


def quoted(text: str) -> str:
    """A basic string of TOML."""
    return '"' + "".join(f"\\U{ord(c):08x}" if c in '"\\' or not c.isprintable() else c for c in text) + '"'


@given(st.dictionaries(KEYS, st.dictionaries(KEYS, SCALARS | st.lists(SCALARS, max_size=3), max_size=4), max_size=4))
def test_written_tables_are_found_line_by_line(tables: dict[str, dict[str, Any]]) -> None:
    written: list[str] = []
    expected: dict[Path, int] = {}

    def show(value: Any) -> str:
        if isinstance(value, list):
            return "[" + ", ".join(map(show, value)) + "]"
        return quoted(value) if isinstance(value, str) else str(value).lower()

    for table, entries in tables.items():
        written.append(f"[{quoted(table)}]")
        expected[table,] = len(written)
        for key, value in entries.items():
            written.append(f"{quoted(key)} = {show(value)}")
            expected[table, key] = len(written)
    text = "\n".join(written)
    assert tomllib.loads(text) == tables
    found = lines(text)
    assert {path: line for path, line in found.items() if path in expected} == expected
