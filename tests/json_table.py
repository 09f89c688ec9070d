"""What docs/command-line.md says about the JSON of each command."""

from __future__ import annotations

import re
from pathlib import Path

PAGE = Path(__file__).parents[1] / "docs" / "command-line.md"


def told(command: str) -> str:
    """What the page's table says about the JSON of a command."""
    page = PAGE.read_text(encoding="utf-8").partition("## JSON")[2]
    row = re.search(rf"^\| `{command}` \| (.*) \|$", page, re.MULTILINE)
    assert row is not None, command
    return row[1]


def promised(command: str) -> list[set[str]]:
    """The documented sets of keys of a command; there are several where it prints several kinds of objects."""
    if like := re.fullmatch(r"as `([a-z -]+)`", told(command)):
        return promised(like[1])
    return [_keys(part) for part in told(command).split(";")]


def _keys(part: str) -> set[str]:
    like = re.search(r"\bas `([a-z -]+)`", part)
    return set(re.findall(r"`([a-z0-9_]+)`", part)) | (promised(like[1])[0] if like else set())
