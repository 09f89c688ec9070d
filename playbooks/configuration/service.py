"""The engine's configuration service: turns what people asked for into runs and goes through every open one."""

from __future__ import annotations

import json
import random
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Final, Literal

from device_drivers.capabilities import OpenNode
from local_store import configs, intents, journal, nodes
from local_store.db import Store
from local_store.errors import BodyDamaged, StoreRefused
from local_store.journal import Run
from local_store.records import Intent
from local_store.sqlite import Connection
from mesh_mgmt.compliance import RuleError
from mesh_mgmt.desired import DesiredError, Resolve
from playbooks.configuration import policy as policies
from playbooks.configuration.planning import PushPlan, decode
from playbooks.configuration.push import PLAYBOOK, Ports, carry_out, create

STEP_S: Final = 0.5
PREFIX: Final = "config."
_IDS: Final = random.SystemRandom()
Report = Callable[[Mapping[str, object]], None]


@dataclass(frozen=True, slots=True)
class Means:
    """What the service works with."""

    store: Store
    open_node: OpenNode
    resolve: Resolve
    directory: Path | None
    now_ms: Callable[[], int]


class Pushes:
    """One run of the service."""

    def __init__(self, means: Means) -> None:
        self._means = means

    def run(self, stop: threading.Event, report: Report) -> None:
        """Look twice a second; a push under way is gone through before the next is begun."""
        done = {"pushes": 0, "failed": 0}
        ports = Ports(self._means.store, self._means.open_node, self._means.now_ms, stop)
        while True:
            execute(self._means.store, self._means.now_ms())
            for run in open_runs(self._means.store):
                report({**done, "running": run.run_id})
                end = carry_out(ports, run)
                if end != "running":
                    done["pushes" if end == "done" else "failed"] += 1
                    self._judge(decode(run.plan))
            report({**done, "running": ""})
            if stop.wait(STEP_S):
                return

    def _judge(self, plan: PushPlan) -> None:
        """Bring drift and rules of the pushed nodes up to date at once."""
        means = self._means
        try:
            policy = policies.load(means.directory)
            for target in (one for batch in plan.batches for one in batch):
                node = means.store.read(partial(nodes.get_node, node_id=target.node))
                if node is not None:
                    policies.judge_node(means.store, policy, node, means.resolve, means.now_ms())
        except (DesiredError, RuleError, BodyDamaged, OSError):
            return  # the backup service says what is wrong with the templates


def queue_push(
    cx: Connection,
    grant: intents.WriteGrant,
    kind: Literal["config.push", "config.revert"],
    plan: PushPlan,
    *,
    now_ms: int,
) -> str:
    """Ask the engine for a push; returns the intent's id. Raises WriteRefused when the grant does not cover it."""
    return intents.queue(cx, grant, kind, json.dumps({"plan": json.loads(plan.encoded())}), now_ms=now_ms, rng=_IDS)


def open_runs(store: Store) -> list[Run]:
    """Pushes to go on with, oldest first."""
    return [run for run in store.read(journal.unfinished) if run.playbook == PLAYBOOK and run.state == "running"]


def execute(store: Store, now_ms: int) -> None:
    """Turn every queued intent about configurations into a run, or refuse it with the reason."""
    for intent in store.read(intents.queued):
        if intent.kind.startswith(PREFIX):
            _execute(store, intent, now_ms)


def _execute(store: Store, intent: Intent, now_ms: int) -> None:
    def begin(cx: Connection) -> None:
        plan = decode(json.dumps(json.loads(intent.body)["plan"]))
        _refuse_unknown(cx, plan)
        run_id = create(cx, plan, intent.actor, now_ms)
        intents.decide(cx, intent.intent_id, "done", run_id, now_ms)

    try:
        store.ops.write(begin)
    except (StoreRefused, BodyDamaged, AttributeError, KeyError, TypeError, ValueError) as error:
        text = (
            str(error)
            if isinstance(error, StoreRefused | BodyDamaged | ValueError)
            else f"the request is incomplete: {error!r}"
        )
        store.ops.write(lambda cx: intents.refuse(cx, intent.intent_id, text, now_ms))


def _refuse_unknown(cx: Connection, plan: PushPlan) -> None:
    for target in (one for batch in plan.batches for one in batch):
        node = nodes.get_node(cx, target.node)
        if node is None:
            raise StoreRefused(f"there is no node {target.node}")
        configs.body(cx, target.target)
