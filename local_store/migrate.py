"""Numbered SQL files bring a database up to date in one transaction; a newer or a foreign file is refused.

Every step is noted in the table `schema_step`: one that arrives with a lower number than the file has is applied too.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from importlib.resources import files
from pathlib import Path
from typing import Final, Literal, NamedTuple

from local_store.errors import StoreDamaged, StoreNewer
from local_store.sqlite import Connection, OperationalError

Which = Literal["ops", "telemetry"]
APPLICATION_ID: dict[Which, int] = {"ops": 0x4C53_6F70, "telemetry": 0x4C53_746D}
"""Written into each file's header: 'LSop' and 'LStm'."""


_SQL_ERROR: Final = 1
_STEPS_SQL: Final = "CREATE TABLE IF NOT EXISTS schema_step (version INTEGER PRIMARY KEY) STRICT"


class Step(NamedTuple):
    """One schema file: the version it leads to and its SQL."""

    version: int
    script: str


def known_steps(which: Which) -> list[Step]:
    """The steps this Leitstand ships for `ops` or `telemetry`, oldest first."""
    found = []
    for entry in files("local_store").joinpath("schema").iterdir():
        match = re.fullmatch(rf"{which}_(\d{{4}})\.sql", entry.name)
        if match:
            found.append(Step(int(match[1]), entry.read_text(encoding="utf-8")))
    return sorted(found)


def statements(script: str) -> list[str]:
    """Split a schema file into statements; schema files hold no semicolon inside a string or comment."""
    code = re.sub(r"--[^\n]*", "", script)
    return [part.strip() for part in code.split(";") if part.strip()]


def is_behind(cx: Connection, which: Which, path: Path, steps: Sequence[Step] | None = None) -> bool:
    """Whether steps are missing. Raises StoreNewer for a newer file, StoreDamaged for one that is not ours."""
    known = steps or known_steps(which)
    newest = known[-1].version
    version = int(cx.execute("PRAGMA user_version").fetchone()[0])
    application = int(cx.execute("PRAGMA application_id").fetchone()[0])
    tables = int(cx.execute("SELECT count(*) FROM sqlite_schema").fetchone()[0])
    if (version or tables) and application != APPLICATION_ID[which]:
        raise StoreDamaged(
            f"{path} is a database of something else, not {which} of a Leitstand store: name another directory"
        )
    if version > newest:
        raise StoreNewer(
            f"{path} has version {version}, this Leitstand knows up to {newest}: install the newer Leitstand, "
            "or restore a backup made by this one"
        )
    return not applied(cx).issuperset(step.version for step in known)


def applied(cx: Connection) -> set[int]:
    """The steps a file has; one from before they were noted has all up to its version."""
    if cx.execute("SELECT 1 FROM sqlite_schema WHERE name = 'schema_step'").fetchone():
        return {int(version) for (version,) in cx.execute("SELECT version FROM schema_step")}
    return set(range(1, int(cx.execute("PRAGMA user_version").fetchone()[0]) + 1))


def _apply(cx: Connection, step: Step, path: Path) -> None:
    """One step. What SQL itself refuses is a file that does not hold what its header says, as after a lost write."""
    try:
        for statement in statements(step.script):
            cx.execute(statement)
    except OperationalError as error:
        if getattr(error, "sqlite_errorcode", 0) & 0xFF != _SQL_ERROR:
            raise
        raise StoreDamaged(
            f"{path} does not hold the tables its version promises ({error}): it is damaged, restore a backup"
        ) from error


def bring_up(cx: Connection, which: Which, path: Path, steps: Sequence[Step] | None = None) -> int:
    """Apply what is missing inside the caller's transaction, so that a crash leaves the old version; returns the new.

    Raises StoreNewer or StoreDamaged as `is_behind` does.
    """
    known = steps or known_steps(which)
    if is_behind(cx, which, path, known):
        there = applied(cx)
        cx.execute(f"PRAGMA application_id = {APPLICATION_ID[which]}")
        cx.execute(_STEPS_SQL)
        for step in known:
            if step.version not in there:
                _apply(cx, step, path)
        have = sorted(there | {step.version for step in known})
        cx.executemany("INSERT OR IGNORE INTO schema_step VALUES (?)", [(version,) for version in have])
        cx.execute(f"PRAGMA user_version = {have[-1]}")
    return known[-1].version
