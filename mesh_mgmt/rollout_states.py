"""The life of one node's firmware upgrade as a table, and what a probe means after a crash. Pure, no I/O.

Everything that decides a state stands in this file; docs/rollout.md's diagram is generated from TRANSITIONS.
The one rule above all: a COMMIT_INTENT without a result is never sent again, only probed.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class State(StrEnum):
    """Where one attempt stands. No state says "unknown": silence has a deadline."""

    PENDING = "pending"
    PRECHECK = "precheck"
    STAGING = "staging"
    STAGED = "staged"
    TESTED = "tested"
    COMMIT_INTENT = "commit_intent"
    DARK = "dark"
    BOOTED = "booted"
    PROVING = "proving"
    CONFIRMED = "confirmed"
    SKIPPED = "skipped"
    DEFERRED = "deferred"
    REFUSED = "refused"
    UNCHANGED = "unchanged"
    REVERTED = "reverted"
    DEGRADED = "degraded"
    LOST = "lost"
    IDENTITY_MISMATCH = "identity_mismatch"
    FIELD = "field"


class Event(StrEnum):
    """What happened to a node or was found out about it."""

    BEGIN = "begin"
    ALREADY_THERE = "already_there"
    OFFLINE = "offline"
    CHECKED = "checked"
    CHECK_FAILED = "check_failed"
    UPLOADED = "uploaded"
    UPLOAD_BROKE = "upload_broke"
    IMAGE_ACCEPTED = "image_accepted"
    IMAGE_REFUSED = "image_refused"
    REBOOTED_BEFORE_COMMIT = "rebooted_before_commit"
    INTENT_WRITTEN = "intent_written"
    NOT_DELIVERED = "not_delivered"
    WENT_SILENT = "went_silent"
    NEW_BOOT_NEW_VERSION = "new_boot_new_version"
    NEW_BOOT_OLD_VERSION = "new_boot_old_version"
    BANK_FELL_BACK = "bank_fell_back"
    OTHER_IDENTITY = "other_identity"
    DEADLINE_PASSED = "deadline_passed"
    SOAKING = "soaking"
    PROVEN = "proven"
    UNDER_BASELINE = "under_baseline"
    LEASED = "leased"
    RETURNED = "returned"


@dataclass(frozen=True, slots=True)
class Move:
    """One row of the table. `durable` names what must be on disk before the effect that follows."""

    before: State
    event: Event
    after: State
    durable: str = ""


S, E = State, Event
TRANSITIONS: tuple[Move, ...] = (
    Move(S.PENDING, E.BEGIN, S.PRECHECK, "identity, version, boot id and baseline"),
    Move(S.PENDING, E.OFFLINE, S.DEFERRED),
    Move(S.PENDING, E.OTHER_IDENTITY, S.IDENTITY_MISMATCH),
    Move(S.PENDING, E.LEASED, S.FIELD, "lease and its end"),
    Move(S.DEFERRED, E.BEGIN, S.PRECHECK, "identity, version, boot id and baseline"),
    Move(S.DEFERRED, E.NEW_BOOT_NEW_VERSION, S.BOOTED),
    Move(S.DEFERRED, E.OFFLINE, S.DEFERRED),
    Move(S.DEFERRED, E.OTHER_IDENTITY, S.IDENTITY_MISMATCH),
    Move(S.FIELD, E.RETURNED, S.PENDING),
    Move(S.DEFERRED, E.LEASED, S.FIELD, "lease and its end"),
    Move(S.FIELD, E.PROVEN, S.CONFIRMED, "signed evidence"),
    Move(S.FIELD, E.ALREADY_THERE, S.SKIPPED),
    Move(S.FIELD, E.CHECK_FAILED, S.REFUSED),
    Move(S.FIELD, E.WENT_SILENT, S.DARK, "what the laptop wrote down before its flash"),
    Move(S.FIELD, E.NEW_BOOT_NEW_VERSION, S.BOOTED),
    Move(S.FIELD, E.NEW_BOOT_OLD_VERSION, S.UNCHANGED),
    Move(S.FIELD, E.BANK_FELL_BACK, S.REVERTED),
    Move(S.FIELD, E.UNDER_BASELINE, S.DEGRADED, "signed evidence"),
    Move(S.FIELD, E.OTHER_IDENTITY, S.IDENTITY_MISMATCH),
    Move(S.FIELD, E.DEADLINE_PASSED, S.LOST),
    Move(S.PRECHECK, E.ALREADY_THERE, S.SKIPPED),
    Move(S.PRECHECK, E.NEW_BOOT_NEW_VERSION, S.BOOTED),
    Move(S.PRECHECK, E.OFFLINE, S.DEFERRED),
    Move(S.PRECHECK, E.OTHER_IDENTITY, S.IDENTITY_MISMATCH),
    Move(S.PRECHECK, E.CHECK_FAILED, S.REFUSED),
    Move(S.PRECHECK, E.CHECKED, S.STAGING, "remote path, size, sha256"),
    Move(S.STAGING, E.UPLOAD_BROKE, S.PRECHECK),
    Move(S.STAGING, E.OFFLINE, S.DEFERRED),
    Move(S.STAGING, E.OTHER_IDENTITY, S.IDENTITY_MISMATCH),
    Move(S.STAGING, E.CHECK_FAILED, S.REFUSED),
    Move(S.STAGING, E.UPLOADED, S.STAGED, "sha256 as the node computed it"),
    Move(S.STAGED, E.IMAGE_ACCEPTED, S.TESTED),
    Move(S.STAGED, E.IMAGE_REFUSED, S.REFUSED),
    Move(S.STAGED, E.REBOOTED_BEFORE_COMMIT, S.PRECHECK),
    Move(S.STAGED, E.OFFLINE, S.DEFERRED),
    Move(S.STAGED, E.OTHER_IDENTITY, S.IDENTITY_MISMATCH),
    Move(S.TESTED, E.REBOOTED_BEFORE_COMMIT, S.PRECHECK),
    Move(S.TESTED, E.OFFLINE, S.DEFERRED),
    Move(S.TESTED, E.OTHER_IDENTITY, S.IDENTITY_MISMATCH),
    Move(S.TESTED, E.IMAGE_REFUSED, S.REFUSED),
    Move(S.TESTED, E.INTENT_WRITTEN, S.COMMIT_INTENT, "attempt, image, boot id before, deadline, epoch"),
    Move(S.COMMIT_INTENT, E.NOT_DELIVERED, S.TESTED),
    Move(S.COMMIT_INTENT, E.IMAGE_REFUSED, S.REFUSED),
    Move(S.COMMIT_INTENT, E.WENT_SILENT, S.DARK),
    Move(S.COMMIT_INTENT, E.NEW_BOOT_NEW_VERSION, S.BOOTED),
    Move(S.COMMIT_INTENT, E.NEW_BOOT_OLD_VERSION, S.UNCHANGED),
    Move(S.COMMIT_INTENT, E.BANK_FELL_BACK, S.REVERTED),
    Move(S.COMMIT_INTENT, E.OTHER_IDENTITY, S.IDENTITY_MISMATCH),
    Move(S.COMMIT_INTENT, E.DEADLINE_PASSED, S.LOST),
    Move(S.DARK, E.NEW_BOOT_NEW_VERSION, S.BOOTED),
    Move(S.DARK, E.NEW_BOOT_OLD_VERSION, S.UNCHANGED),
    Move(S.DARK, E.BANK_FELL_BACK, S.REVERTED),
    Move(S.DARK, E.NOT_DELIVERED, S.TESTED),
    Move(S.DARK, E.IMAGE_REFUSED, S.REFUSED),
    Move(S.DARK, E.OTHER_IDENTITY, S.IDENTITY_MISMATCH),
    Move(S.DARK, E.DEADLINE_PASSED, S.LOST),
    Move(S.LOST, E.NEW_BOOT_NEW_VERSION, S.BOOTED),
    Move(S.LOST, E.NEW_BOOT_OLD_VERSION, S.UNCHANGED),
    Move(S.LOST, E.BANK_FELL_BACK, S.REVERTED),
    Move(S.LOST, E.NOT_DELIVERED, S.TESTED),
    Move(S.LOST, E.IMAGE_REFUSED, S.REFUSED),
    Move(S.LOST, E.OTHER_IDENTITY, S.IDENTITY_MISMATCH),
    Move(S.BOOTED, E.SOAKING, S.PROVING, "start of the soak, boot id after"),
    Move(S.BOOTED, E.OTHER_IDENTITY, S.IDENTITY_MISMATCH),
    Move(S.BOOTED, E.NEW_BOOT_OLD_VERSION, S.REVERTED),
    Move(S.BOOTED, E.DEADLINE_PASSED, S.LOST),
    Move(S.PROVING, E.PROVEN, S.CONFIRMED, "signed evidence"),
    Move(S.PROVING, E.UNDER_BASELINE, S.DEGRADED, "signed evidence"),
    Move(S.PROVING, E.NEW_BOOT_OLD_VERSION, S.REVERTED),
    Move(S.PROVING, E.BANK_FELL_BACK, S.REVERTED),
    Move(S.PROVING, E.OTHER_IDENTITY, S.IDENTITY_MISMATCH),
    Move(S.PROVING, E.DEADLINE_PASSED, S.LOST),
)
_TABLE = {(move.before, move.event): move for move in TRANSITIONS}

FINAL = frozenset({S.CONFIRMED, S.SKIPPED, S.REFUSED, S.UNCHANGED, S.REVERTED, S.DEGRADED, S.IDENTITY_MISMATCH})
"""States an attempt rests in. LOST is not among them: a lost node may come back and is then believed."""

FAILURES = frozenset({S.UNCHANGED, S.REVERTED, S.DEGRADED, S.LOST, S.IDENTITY_MISMATCH})
"""States that count against the error budget; silence counts, a refused image touched nothing and does not."""

UNTOUCHED = frozenset({S.PENDING, S.PRECHECK, S.STAGING, S.STAGED, S.TESTED, S.DEFERRED, S.SKIPPED, S.REFUSED})
"""States in which the node surely still runs its old image from before this attempt."""

UNDECIDED = frozenset({S.COMMIT_INTENT, S.DARK, S.LOST})
"""States after the point of no return whose outcome only a probe can tell."""


class IllegalMoveError(ValueError):
    """The table has no such row: a defect in the caller, never a state of the world."""


def step(state: State, event: Event) -> Move:
    """The row for this event, or IllegalMoveError."""
    move = _TABLE.get((state, event))
    if move is None:
        raise IllegalMoveError(f"{state} knows no {event}")
    return move


@dataclass(frozen=True, slots=True)
class Sent:
    """What was written down before the flash command went out; `deliveries` are those of the engine that looks now."""

    host_key: str
    board_name: str
    boot_id: str
    version: str
    target_version: str
    deadline_ms: int
    deliveries: int


@dataclass(frozen=True, slots=True)
class Probe:
    """What a look at the node found. `fence` is whether the operation's directory exists on it; `refusal` is what
    the flash script logged when the image was refused on the node; `fell_back` is the bank information."""

    host_key: str
    board_name: str
    boot_id: str
    version: str
    fence: bool
    refusal: bool = False
    fell_back: bool = False


MAX_DELIVERIES = 2


def judge(sent: Sent, probe: Probe | None, now_ms: int, dominators_up: bool) -> Event | None:
    """What a probe (None: silence) means for an undecided attempt; None means wait and probe again.

    While a node every path passes is itself down, silence says nothing about this one: its clock stands still.
    """
    if probe is None:
        return Event.DEADLINE_PASSED if now_ms >= sent.deadline_ms and dominators_up else None
    if (probe.host_key, probe.board_name) != (sent.host_key, sent.board_name):
        return Event.OTHER_IDENTITY
    if probe.boot_id == sent.boot_id:
        return _same_boot(sent, probe, now_ms)
    if probe.version == sent.target_version:
        return Event.NEW_BOOT_NEW_VERSION
    return Event.BANK_FELL_BACK if probe.fell_back else Event.NEW_BOOT_OLD_VERSION


def _same_boot(sent: Sent, probe: Probe, now_ms: int) -> Event | None:
    """Not rebooted: never delivered, still flashing, or refused on the node."""
    if probe.refusal:
        return Event.IMAGE_REFUSED
    if not probe.fence:
        return Event.NOT_DELIVERED if sent.deliveries < MAX_DELIVERIES else Event.IMAGE_REFUSED
    return Event.DEADLINE_PASSED if now_ms >= sent.deadline_ms else None


def diagram() -> str:
    """The table as a Mermaid state diagram for docs/rollout.md."""
    lines = ["stateDiagram-v2", "    [*] --> pending"]
    for move in TRANSITIONS:
        note = f" [on disk: {move.durable}]" if move.durable else ""
        lines.append(f"    {move.before} --> {move.after}: {move.event}{note}")
    lines += [f"    {state} --> [*]" for state in sorted(FINAL)]
    return "\n".join(lines)
