"""The commands that change nodes' configurations: the difference is always shown first, the engine carries it out."""

from __future__ import annotations

import getpass
import json
import sys
import time
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import click

from console import config_words
from console.cli import words
from console.cli.config_nodes import chosen_nodes, one_node, policy, resolver, with_templates
from console.cli.context import ARMED_MS, FINDINGS, global_options, json_option, say_without_engine, site, writable
from console.cli.lists import complete_key
from console.cli.render import emit, put, say
from console.clock import now_ms
from console.texts import _, ngettext, visible
from local_store.views.nodes import NODES

if TYPE_CHECKING:
    from mesh_mgmt.topology import Topology
    from playbooks.configuration.planning import Proposal

TYPED_OVER = 20
LOOK_S = 0.5


def push_options(command: words.Handler) -> words.Handler:
    """What a push and a revert share."""
    command = json_option(global_options(command))
    command = words.option("--wait", is_flag=True, help="stay until it has ended and say how")(command)
    command = words.option("--yes", is_flag=True, help="do not ask; the difference is shown all the same")(command)
    command = words.option("--dry-run", is_flag=True, help="only show what would change")(command)
    command = words.option(
        "--revert-after", type=click.IntRange(30, 3600), default=180, show_default=True,
        help="seconds after which an unconfirmed node goes back by itself",
    )(command)  # fmt: skip
    return words.option("--why", default="", help="why; it is kept with the run")(command)


@words.command("push")
@click.argument("node_ids", metavar="NODE...", nargs=-1, shell_complete=complete_key(NODES))
@words.option("--all", "everything", is_flag=True, help="every node in service")
@words.option("--budget", type=click.IntRange(1, 10_000), default=1, show_default=True, help="failures that end it")
@push_options
def config_push(
    node_ids: tuple[str, ...], everything: bool, budget: int, why: str, revert_after: int, dry_run: bool, yes: bool,
    wait: bool, as_json: bool,
) -> int:  # fmt: skip
    """Bring nodes to what their templates want. Example: leitstand config push ge-bue-0002 --wait"""
    from playbooks.configuration.planning import propose

    book, resolve = policy(), resolver()
    with writable() as store:
        chosen = chosen_nodes(store, node_ids, everything)
        found = with_templates(lambda: [propose(store, book, node, resolve) for node in chosen])
        return _go(store, found, "config.push", budget=budget, why=why, revert_after=revert_after, dry_run=dry_run,
                   yes=yes, wait=wait, as_json=as_json)  # fmt: skip


@words.command("revert")
@click.argument("node_id", metavar="NODE", shell_complete=complete_key(NODES))
@words.option("--to", "number", type=click.IntRange(1, 2**63 - 1), default=None, help="the version to go back to")
@push_options
def config_revert(
    node_id: str, number: int | None, why: str, revert_after: int, dry_run: bool, yes: bool, wait: bool, as_json: bool
) -> int:
    """Go back to an earlier version. Example: leitstand config revert ge-bue-0002"""
    from local_store import configs
    from playbooks.configuration.planning import propose_version

    with writable() as store:
        node = one_node(store, node_id)
        if number is None:
            versions = store.read(lambda cx: configs.history(cx, node_id, 2))
            if len(versions) < 2:
                say(_("{node}: there is no earlier version").format(node=node_id))
                return FINDINGS
            number = versions[1].backup_id
        found = [propose_version(store, node, number)]
        return _go(store, found, "config.revert", budget=1, why=why or f"version {number}", revert_after=revert_after,
                   dry_run=dry_run, yes=yes, wait=wait, as_json=as_json)  # fmt: skip


def _go(
    store: Any, found: Sequence[Proposal], kind: Any, *, budget: int, why: str, revert_after: int, dry_run: bool,
    yes: bool, wait: bool, as_json: bool,
) -> int:  # fmt: skip
    _show(found, as_json)
    changing = [one for one in found if not one.excluded]
    if not changing:
        say(_("there is nothing to push"))
        return 0 if all(one.excluded == "nothing to change" for one in found) else FINDINGS
    if dry_run:
        return FINDINGS
    if not yes and not _agreed(len(changing)):
        say(_("nothing was pushed"))
        return FINDINGS
    from mesh_mgmt.known_graph import current

    topology = store.read(current).topology
    intent_id = store.ops.write(lambda cx: _queue(cx, topology, found, kind, revert_after, budget, why))
    if as_json:
        emit([{"intent": intent_id}])
    say(_("queued as {id}").format(id=intent_id))
    say_without_engine(site().directory)
    return _follow(store, intent_id, as_json) if wait else 0


def _queue(
    cx: Any, topology: Topology, found: Sequence[Proposal], kind: Any, revert_after: int, budget: int, why: str
) -> str:
    from local_store.intents import WriteGrant
    from playbooks.configuration.planning import plan
    from playbooks.configuration.service import queue_push

    now = now_ms()
    made = plan(cx, topology, found, revert_after_s=revert_after, budget=budget, why=why)
    return queue_push(cx, WriteGrant(getpass.getuser(), "network", now + ARMED_MS), kind, made, now_ms=now)


def _show(found: Sequence[Proposal], as_json: bool) -> None:
    if as_json:
        emit({"node": one.node_id, "excluded": one.excluded, "lines": list(one.lines)} for one in found)
        return
    for one in found:
        put(visible(line).replace("\\t", "\t") for line in one.lines)
        if one.excluded:
            say(f"{one.node_id}: {config_words.excluded(one.excluded)}")


def _agreed(count: int) -> bool:
    """A person says so at the terminal; more than twenty nodes need their number typed."""
    if not sys.stdin.isatty():
        raise click.UsageError(_("nobody is there to agree: give --yes"))
    if count > TYPED_OVER:
        text = _("{n} nodes are changed. Type their number to go on").format(n=count)
        return str(click.prompt(text, default="", show_default=False, err=True)).strip() == str(count)
    text = ngettext("Change this node?", "Change these {n} nodes?", count).format(n=count)
    return click.confirm(text, default=False, err=True)


def _follow(store: Any, intent_id: str, as_json: bool) -> int:
    """Wait for the end of the run and say what became of every node."""
    from local_store import intents, journal

    told: set[tuple[int, str]] = set()
    while True:
        intent = store.read(lambda cx: intents.get_intent(cx, intent_id))
        if intent.state == "refused":
            say(intent.result)
            return FINDINGS
        if intent.state == "done":
            run_id = intent.result
            steps = store.read(lambda cx, run_id=run_id: journal.steps_of(cx, run_id))
            for step in steps:
                if (step.seq, step.state) not in told and step.state in ("done", "failed"):
                    told.add((step.seq, step.state))
                    _tell(step, as_json)
            if all(run.run_id != run_id for run in store.read(journal.unfinished)):
                return FINDINGS if any(step.state != "done" for step in steps) else 0
        time.sleep(LOOK_S)


def _tell(step: Any, as_json: bool) -> None:
    evidence = json.loads(step.evidence)
    what, _gap, node = step.name.partition(" ")
    if as_json:
        emit([{"node": node, "step": what, "state": step.state, "evidence": evidence}])
        return
    name = {"apply": _("applied"), "confirm": _("confirmed")}.get(what, what)
    why = evidence.get("why", "")
    say(f"{node}: {name}" if step.state == "done" else _("{node}: failed: {why}").format(node=node, why=why))
