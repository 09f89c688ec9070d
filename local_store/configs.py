"""Configurations of nodes (`ops.db`): bodies by content, backups, what was applied, findings, exceptions."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

import zstandard

from local_store import columns
from local_store.errors import BodyDamaged, StoreRefused
from local_store.sqlite import Connection

Cause = Literal["daily", "asked", "notice", "after_push", "accepted"]
LARGEST: int = 64 << 20


@dataclass(frozen=True, slots=True)
class Backup:
    """One version of a node's running configuration, first seen at `taken_ms`."""

    backup_id: int
    node_id: str
    sha256: str
    form: str
    taken_ms: int
    cause: str
    actor: str


@dataclass(frozen=True, slots=True)
class Look:
    """The last look at a node and the judgement on what was seen. `drift` is encoded JSON, masked."""

    node_id: str
    tried_ms: int
    read_ms: int | None = None
    failure: str = ""
    verdict: str = ""
    drift: str = "[]"
    failing: int = 0
    critical: int = 0
    excepted: int = 0
    judged_ms: int | None = None


@dataclass(frozen=True, slots=True)
class Applied:
    """What a push of ours left on a node."""

    applied_id: int
    node_id: str
    sha256: str
    op_id: str
    at_ms: int
    actor: str


@dataclass(frozen=True, slots=True)
class FindingRow:
    """What one rule said about one node; `found` is masked."""

    node_id: str
    rule_id: str
    outcome: str
    severity: str
    title: str
    option: str
    found: str
    since_ms: int


@dataclass(frozen=True, slots=True)
class ExceptionRow:
    """A rule lifted for a node (`*`: for all) until a moment."""

    exception_id: int
    node_id: str
    rule_id: str
    reason: str
    actor: str
    created_ms: int
    until_ms: int
    ended_ms: int | None


_BACKUP = columns.select("config_backup", Backup)
_LOOK = columns.select("config_look", Look)
_APPLIED = columns.select("config_applied", Applied)
_FINDING = columns.select("config_finding", FindingRow)
_EXCEPTION = columns.select("config_exception", ExceptionRow)


def put_body(cx: Connection, text: str) -> str:
    """Keep a text once, whoever has it; returns its sha256. One that was damaged meanwhile is whole again."""
    raw = text.encode()
    name = hashlib.sha256(raw).hexdigest()
    if not _is_whole(cx, name):
        packed = zstandard.ZstdCompressor(level=9).compress(raw)
        cx.execute(
            "INSERT INTO config_body VALUES (?, ?, ?, ?) ON CONFLICT (sha256) DO UPDATE SET body = excluded.body",
            (name, len(raw), text.count("\n"), packed),
        )
    return name


def _is_whole(cx: Connection, sha256: str) -> bool:
    try:
        body(cx, sha256)
    except (StoreRefused, BodyDamaged):
        return False
    return True


def body(cx: Connection, sha256: str) -> str:
    """A kept text. Raises StoreRefused when there is none, BodyDamaged when it is not what it was."""
    row = cx.execute("SELECT body FROM config_body WHERE sha256 = ?", (sha256,)).fetchone()
    if row is None:
        raise StoreRefused(f"there is no configuration {sha256[:12]} in this store")
    try:
        raw = zstandard.ZstdDecompressor().decompress(row[0], max_output_size=LARGEST)
    except zstandard.ZstdError as error:
        raise BodyDamaged(f"configuration {sha256[:12]} cannot be unpacked: {error}") from error
    if hashlib.sha256(raw).hexdigest() != sha256:
        raise BodyDamaged(f"configuration {sha256[:12]} is not what it was when it was stored")
    return str(raw.decode())


def add_backup(
    cx: Connection, node_id: str, text: str, form: str, *, cause: Cause, actor: str, now_ms: int
) -> Backup | None:
    """Note a successful read; a new version gets a row and is returned, an unchanged one only its time."""
    name = put_body(cx, text)
    last = last_backup(cx, node_id)
    look(cx, node_id, now_ms, "")
    if last is not None and last.sha256 == name:
        return None
    cx.execute(
        "INSERT INTO config_backup (node_id, sha256, form, taken_ms, cause, actor) VALUES (?, ?, ?, ?, ?, ?)",
        (node_id, name, form, now_ms, cause, actor),
    )
    return last_backup(cx, node_id)


def restorable(cx: Connection, node_id: str) -> bool:
    """Whether a node's newest version is here, whole."""
    last = last_backup(cx, node_id)
    return last is not None and _is_whole(cx, last.sha256)


def ask_again(cx: Connection, node_id: str) -> None:
    """Make a node due for its next look at once."""
    cx.execute("UPDATE config_look SET tried_ms = 0 WHERE node_id = ?", (node_id,))


def look(cx: Connection, node_id: str, now_ms: int, failure: str) -> None:
    """Note a look at a node: with a reason when nothing could be read or stored."""
    read_ms = None if failure else now_ms
    cx.execute(
        "INSERT INTO config_look (node_id, tried_ms, read_ms, failure) VALUES (?, ?, ?, ?) ON CONFLICT (node_id)"
        " DO UPDATE SET tried_ms = excluded.tried_ms, failure = excluded.failure,"
        " read_ms = ifnull(excluded.read_ms, read_ms)",
        (node_id, now_ms, read_ms, failure),
    )


def looks(cx: Connection) -> dict[str, Look]:
    """The last look at every node, by node id."""
    return {row[0]: Look(*row) for row in cx.execute(_LOOK)}


def get_look(cx: Connection, node_id: str) -> Look | None:
    """The last look at one node."""
    row = cx.execute(f"{_LOOK} WHERE node_id = ?", (node_id,)).fetchone()
    return Look(*row) if row else None


def last_backup(cx: Connection, node_id: str) -> Backup | None:
    """The newest version."""
    row = cx.execute(f"{_BACKUP} WHERE node_id = ? ORDER BY backup_id DESC LIMIT 1", (node_id,)).fetchone()
    return Backup(*row) if row else None


def get_backup(cx: Connection, backup_id: int) -> Backup | None:
    """One version by its number."""
    row = cx.execute(f"{_BACKUP} WHERE backup_id = ?", (backup_id,)).fetchone()
    return Backup(*row) if row else None


def history(cx: Connection, node_id: str, limit: int = 100) -> list[Backup]:
    """A node's versions, the newest first."""
    rows = cx.execute(f"{_BACKUP} WHERE node_id = ? ORDER BY backup_id DESC LIMIT ?", (node_id, limit))
    return [Backup(*row) for row in rows]


def add_applied(cx: Connection, node_id: str, text: str, op_id: str, actor: str, now_ms: int) -> str:
    """Note what a push left on a node, once per operation; returns its sha256."""
    name = put_body(cx, text)
    known = cx.execute("SELECT 1 FROM config_applied WHERE node_id = ? AND op_id = ?", (node_id, op_id)).fetchone()
    if known is None:
        cx.execute(
            "INSERT INTO config_applied (node_id, sha256, op_id, at_ms, actor) VALUES (?, ?, ?, ?, ?)",
            (node_id, name, op_id, now_ms, actor),
        )
    return name


def last_applied(cx: Connection, node_id: str) -> Applied | None:
    """What our last push left on a node."""
    row = cx.execute(f"{_APPLIED} WHERE node_id = ? ORDER BY applied_id DESC LIMIT 1", (node_id,)).fetchone()
    return Applied(*row) if row else None


def judge(cx: Connection, node_id: str, verdict: str, drift: str, found: Sequence[FindingRow], now_ms: int) -> None:
    """Replace the judgement on a node: its drift (masked JSON) and what every rule said."""
    since = {(row.rule_id, row.outcome): row.since_ms for row in findings(cx, node_id)}
    cx.execute("DELETE FROM config_finding WHERE node_id = ?", (node_id,))
    marks = ", ".join("?" * 8)
    cx.executemany(
        f"INSERT INTO config_finding VALUES ({marks})",
        [
            (node_id, one.rule_id, one.outcome, one.severity, one.title, one.option, one.found,
             since.get((one.rule_id, one.outcome), now_ms))
            for one in found
        ],
    )  # fmt: skip
    failing = [one for one in found if one.outcome == "fail"]
    cx.execute(
        "UPDATE config_look SET verdict = ?, drift = ?, failing = ?, critical = ?, excepted = ?, judged_ms = ?"
        " WHERE node_id = ?",
        (
            verdict,
            drift,
            len(failing),
            sum(one.severity == "critical" for one in failing),
            sum(one.outcome == "excepted" for one in found),
            now_ms,
            node_id,
        ),
    )


def findings(cx: Connection, node_id: str = "", *, failing_only: bool = False) -> list[FindingRow]:
    """What rules said, of one node or of all, the worst first."""
    order = "CASE severity WHEN 'critical' THEN 0 WHEN 'warning' THEN 1 ELSE 2 END, node_id, rule_id"
    where = "(? = '' OR node_id = ?)" + (" AND outcome = 'fail'" if failing_only else "")
    return [FindingRow(*row) for row in cx.execute(f"{_FINDING} WHERE {where} ORDER BY {order}", (node_id, node_id))]


def add_exception(
    cx: Connection, node_id: str, rule_id: str, reason: str, *, actor: str, until_ms: int, now_ms: int
) -> int:
    """Lift a rule for a node until a moment. Raises StoreRefused without a reason or for a moment that is past."""
    if not reason.strip():
        raise StoreRefused("an exception needs a reason: say why the rule does not hold there")
    if until_ms <= now_ms:
        raise StoreRefused("an exception ends in the future: give another date")
    made = cx.execute(
        "INSERT INTO config_exception (node_id, rule_id, reason, actor, created_ms, until_ms)"
        " VALUES (?, ?, ?, ?, ?, ?)",
        (node_id, rule_id, reason, actor, now_ms, until_ms),
    )
    return int(made.lastrowid or 0)


def end_exception(cx: Connection, exception_id: int, now_ms: int) -> None:
    """Let the rule hold again. Raises StoreRefused when there is no such open exception."""
    changed = cx.execute(
        "UPDATE config_exception SET ended_ms = ? WHERE exception_id = ? AND ended_ms IS NULL", (now_ms, exception_id)
    )
    if changed.rowcount == 0:
        raise StoreRefused(f"there is no open exception {exception_id}")


def exceptions(cx: Connection, now_ms: int) -> list[ExceptionRow]:
    """Exceptions in force, the one that ends first at the top."""
    rows = cx.execute(f"{_EXCEPTION} WHERE ended_ms IS NULL AND until_ms > ? ORDER BY until_ms", (now_ms,))
    return [ExceptionRow(*row) for row in rows]


def forget_nodes(cx: Connection, node_ids: Iterable[str]) -> None:
    """Drop the judgement on nodes that left service; their backups stay."""
    for node_id in node_ids:
        cx.execute("DELETE FROM config_look WHERE node_id = ?", (node_id,))
        cx.execute("DELETE FROM config_finding WHERE node_id = ?", (node_id,))
