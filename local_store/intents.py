"""What people ask the engine to do (`ops.db`). `queue` is the one gate every write of a screen or command passes.

Asking is itself a change a person makes: it becomes an operation and an audit entry in the same transaction.
"""

from __future__ import annotations

import json
import random
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from local_store import columns, oplog
from local_store.errors import StoreRefused
from local_store.records import Intent
from local_store.sqlite import Connection
from local_store.uuid7 import uuid7

Role = Literal["network", "dispatch", "field"]
IntentKind = Literal[
    "alert.acknowledge",
    "config.push",
    "config.revert",
    "node.poll",
    "node.retire",
    "provision.abort",
    "provision.answer",
    "provision.resume",
    "provision.start",
    "quarantine.retry",
    "rollout.abort",
    "rollout.approve",
    "rollout.pause",
    "rollout.resume",
    "rollout.start",
]
Outcome = Literal["done", "refused"]
Refusal = Literal["no_actor", "in_the_past", "not_armed", "no_longer_armed", "role_may_not"]

MAY: dict[IntentKind, frozenset[Role]] = {
    "alert.acknowledge": frozenset({"network", "dispatch", "field"}),
    "config.push": frozenset({"network"}),
    "config.revert": frozenset({"network"}),
    "node.poll": frozenset({"network", "field"}),
    "node.retire": frozenset({"network"}),
    "provision.abort": frozenset({"network", "field"}),
    "provision.answer": frozenset({"network", "field"}),
    "provision.resume": frozenset({"network", "field"}),
    "provision.start": frozenset({"network", "field"}),
    "quarantine.retry": frozenset({"network"}),
    "rollout.abort": frozenset({"network"}),
    "rollout.approve": frozenset({"network"}),
    "rollout.pause": frozenset({"network", "dispatch", "field"}),
    "rollout.resume": frozenset({"network"}),
    "rollout.start": frozenset({"network"}),
}
"""Which role may ask for what; a kind that is not here cannot be asked for."""

_INTENT = columns.select("intent", Intent)


@dataclass(frozen=True, slots=True)
class WriteGrant:
    """Who writes in which role, until when writing is armed (None: read-only), and whether they look at the past."""

    actor: str
    role: Role
    armed_until_ms: int | None
    in_the_past: bool = False


class WriteRefused(StoreRefused):
    """The grant does not cover the write; `reason` is for the caller's words."""

    def __init__(self, reason: Refusal, text: str) -> None:
        super().__init__(text)
        self.reason = reason


def refusal(grant: WriteGrant, kind: IntentKind, now_ms: int) -> Refusal | None:
    """Why `grant` does not cover a write of `kind` now; None when it does."""
    if not grant.actor.strip():
        return "no_actor"
    if grant.in_the_past:
        return "in_the_past"
    if grant.armed_until_ms is None:
        return "not_armed"
    if now_ms >= grant.armed_until_ms:
        return "no_longer_armed"
    if grant.role not in MAY[kind]:
        return "role_may_not"
    return None


def _sentence(reason: Refusal, grant: WriteGrant, kind: IntentKind) -> str:
    roles = ", ".join(sorted(MAY[kind]))
    return {
        "no_actor": f"{kind} needs the name of the person who asks for it",
        "in_the_past": f"{kind} was not queued: what is shown is the past, go back to now first",
        "not_armed": f"{kind} was not queued: writing is not armed, arm it first",
        "no_longer_armed": f"{kind} was not queued: the time for writing is over, arm it again",
        "role_may_not": f"{kind} was not queued: the role {grant.role} may not do this, only {roles}",
    }[reason]


def queue(cx: Connection, grant: WriteGrant, kind: IntentKind, body: str, *, now_ms: int, rng: random.Random) -> str:
    """Queue an intent for the engine and return its id. Raises WriteRefused when the grant does not cover it."""
    _pass_gate(grant, kind, now_ms)
    intent_id = uuid7(now_ms, rng)
    cx.execute(
        "INSERT INTO intent (intent_id, kind, body, actor, created_ms) VALUES (?, ?, ?, ?, ?)",
        (intent_id, kind, body, grant.actor, now_ms),
    )
    asked = {"kind": kind, "body": json.loads(body), "state": "queued"}
    _record(cx, intent_id, "queue", asked, grant.actor, now_ms, rng)
    return intent_id


def _pass_gate(grant: WriteGrant, kind: IntentKind, now_ms: int) -> None:
    reason = refusal(grant, kind, now_ms)
    if reason is not None:
        raise WriteRefused(reason, _sentence(reason, grant, kind))


def _record(
    cx: Connection, intent_id: str, what: str, values: Mapping[str, object], actor: str, now_ms: int, rng: random.Random
) -> None:
    oplog.record(cx, oplog.Change("intent", intent_id, what, values), actor, now_ms=now_ms, rng=rng)


def queued(cx: Connection) -> list[Intent]:
    """What waits for the engine, oldest first."""
    return [Intent(*row) for row in cx.execute(f"{_INTENT} WHERE state = 'queued' ORDER BY created_ms, intent_id")]


def get_intent(cx: Connection, intent_id: str) -> Intent | None:
    """One intent in whatever state."""
    row = cx.execute(f"{_INTENT} WHERE intent_id = ?", (intent_id,)).fetchone()
    return Intent(*row) if row else None


def decide(cx: Connection, intent_id: str, outcome: Outcome, result: str, now_ms: int) -> None:
    """Write what became of a queued intent, in the transaction of its effect.

    Raises StoreRefused when it is no longer queued, which undoes that effect: an intent happens once or not at all.
    """
    _leave(cx, intent_id, outcome, result, now_ms)


def refuse(cx: Connection, intent_id: str, why: str, now_ms: int) -> None:
    """Write why an intent is not done; one that its person has taken back meanwhile stays taken back."""
    there = get_intent(cx, intent_id)
    if there is not None and there.state == "queued":
        _leave(cx, intent_id, "refused", why, now_ms)


def withdraw(cx: Connection, intent_id: str, grant: WriteGrant, *, now_ms: int, rng: random.Random) -> None:
    """Take back a queued intent: whoever may ask for it may.

    Raises StoreRefused when the engine has decided it already, WriteRefused when the grant does not cover it.
    """
    there = get_intent(cx, intent_id)
    if there is not None and there.kind in MAY:
        _pass_gate(grant, there.kind, now_ms)
    _leave(cx, intent_id, "withdrawn", grant.actor, now_ms)
    _record(cx, intent_id, "withdraw", {"state": "withdrawn"}, grant.actor, now_ms, rng)


def _leave(cx: Connection, intent_id: str, state: str, result: str, now_ms: int) -> None:
    changed = cx.execute(
        "UPDATE intent SET state = ?, result = ?, decided_ms = ? WHERE intent_id = ? AND state = 'queued'",
        (state, result, now_ms, intent_id),
    )
    if changed.rowcount == 0:
        there = get_intent(cx, intent_id)
        found = f"is {there.state} already" if there else "does not exist"
        raise StoreRefused(f"intent {intent_id} {found}: only a queued one can become {state}")
