"""Numbered SQL files bring a database up to date; a file from a newer Leitstand is refused."""

from __future__ import annotations

import re
from importlib.resources import files
from pathlib import Path

from local_store.errors import StoreNewer
from local_store.sqlite import Connection


def _steps(which: str) -> list[tuple[int, str]]:
    """The known (version, SQL) pairs of `ops` or `telemetry`, oldest first."""
    found = []
    for entry in files("local_store").joinpath("schema").iterdir():
        match = re.fullmatch(rf"{which}_(\d{{4}})\.sql", entry.name)
        if match:
            found.append((int(match[1]), entry.read_text(encoding="utf-8")))
    return sorted(found)


def statements(script: str) -> list[str]:
    """Split a schema file into statements; schema files hold no semicolon inside a string or comment."""
    code = re.sub(r"--[^\n]*", "", script)
    return [part.strip() for part in code.split(";") if part.strip()]


def bring_up(cx: Connection, which: str, path: Path) -> int:
    """Apply what is missing inside the caller's transaction and return the version.

    Raises StoreNewer when the file's version is above the newest known one.
    """
    version = int(cx.execute("PRAGMA user_version").fetchone()[0])
    steps = _steps(which)
    newest = steps[-1][0]
    if version > newest:
        raise StoreNewer(
            f"{path} has version {version}, this Leitstand knows up to {newest}: install the newer Leitstand, "
            "or restore a backup made by this one"
        )
    for number, script in steps:
        if number > version:
            for statement in statements(script):
                cx.execute(statement)
            cx.execute(f"PRAGMA user_version = {number}")
    return newest
