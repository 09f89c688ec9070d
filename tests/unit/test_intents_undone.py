"""Intents that are taken back, or make no sense, just when a service executes them: the service goes on."""

from __future__ import annotations

import json
import random
from collections.abc import Callable
from dataclasses import replace
from queue import SimpleQueue

import pytest

from local_store import intents
from local_store.db import Store
from local_store.intents import IntentKind, WriteGrant
from local_store.records import Intent
from playbooks.configuration import service as configuration
from playbooks.firmware import service as firmware
from playbooks.provisioning import runner as provisioning
from playbooks.rules import Rules

GRANT = WriteGrant("mk", "network", 10_000)
IDS = random.Random(1)


def by_rules(store: Store, intent: Intent, now_ms: int) -> None:
    Rules(store, lambda: now_ms, SimpleQueue(), lambda _number: "stored")._execute(intent, now_ms)


EXECUTED: dict[IntentKind, Callable[[Store, Intent, int], object]] = {
    "config.push": configuration._execute,
    "rollout.start": firmware._execute,
    "provision.start": provisioning._execute,
    "node.poll": by_rules,
    "quarantine.retry": by_rules,
}


def queued(store: Store, kind: IntentKind, body: object) -> Intent:
    told = json.dumps(body)
    made = store.ops.write(lambda cx: intents.queue(cx, GRANT, kind, told, now_ms=1, rng=IDS))
    found = store.read(lambda cx: intents.get_intent(cx, made))
    assert found is not None
    return found


@pytest.mark.parametrize("kind", EXECUTED)
@pytest.mark.parametrize("body", [{"node_id": "a", "quarantine_id": 1, "rollout": "R-0001"}, {}])
def test_what_is_taken_back_in_that_moment_stays_so(store: Store, kind: IntentKind, body: object) -> None:
    intent = queued(store, kind, body)
    store.ops.write(lambda cx: intents.withdraw(cx, intent.intent_id, GRANT, now_ms=2, rng=IDS))
    EXECUTED[kind](store, intent, 3)
    after = store.read(lambda cx: intents.get_intent(cx, intent.intent_id))
    assert after == replace(intent, state="withdrawn", result="mk", decided_ms=2)


@pytest.mark.parametrize("kind", EXECUTED)
@pytest.mark.parametrize("body", [[], 1, "x", {"plan": 1, "job": {}}, {"plan": [], "job": {"serial": 1}},
                                  {"job": {"serial": 1, "node_id": 2, "address": 3, "role": 4}}])  # fmt: skip
def test_what_makes_no_sense_is_refused(store: Store, kind: IntentKind, body: object) -> None:
    intent = queued(store, kind, body)
    EXECUTED[kind](store, intent, 3)
    after = store.read(lambda cx: intents.get_intent(cx, intent.intent_id))
    assert after is not None
    assert after.state == "refused"
    assert after.result
