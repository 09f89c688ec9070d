"""Planning a rollout on the command line: who, in which order, who not and why; nothing is touched."""

from __future__ import annotations

import getpass
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click

from console import rollout_words, texts
from console.cli import words
from console.cli.context import FINDINGS, global_options, json_option, opened, site, writable
from console.cli.lists import filter_sentence
from console.cli.render import emit, facts, say, table
from console.clock import now_ms
from console.texts import N_, _, ngettext

if TYPE_CHECKING:
    from playbooks.firmware.planning import Limits, Plan

SHOWN: Final = 40
"""Rows of excluded nodes a person is shown; --json holds all."""


def limits_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """The numbers a rollout goes by, as options."""
    for name, kind, text in reversed(
        (
            ("--batch", click.IntRange(1, 500), N_("nodes that restart together at most")),
            ("--canaries", click.IntRange(1, 50), N_("nodes of each model that go first")),
            ("--failures", words.Between(0, 100), N_("percent of failures a wave and a model may have")),
            ("--flash", click.IntRange(5, 7200), N_("seconds in which a restart has to be over")),
            ("--soak", click.IntRange(0, 86_400), N_("seconds a node is watched after its restart")),
            ("--wave-soak", click.IntRange(0, 604_800), N_("seconds a wave is watched before the next")),
            ("--max-dark", click.IntRange(1), N_("nodes without service at once at most")),
            ("--max-dark-district", click.IntRange(1), N_("the same within each district")),
            ("--backup-age", click.IntRange(0), N_("days a node's configuration backup may be old; 0 asks for none")),
        )
    ):
        command = words.option(name, type=kind, default=None, help=text)(command)
    command = words.option("--days", default="1234567", show_default=True, help="days a window begins on, 1 is Monday")(
        command
    )
    command = words.option("--zone", default="Europe/Berlin", show_default=True, help="time zone of the windows")(
        command
    )
    command = words.option("--window", multiple=True, metavar="HH:MM-HH:MM", help="when nodes may restart; repeat it")(
        command
    )
    return words.option("--last-gateway", is_flag=True, help="the only gateway may restart too")(command)


def limits_of(given: dict[str, Any]) -> Limits:
    """The limits the options make. Raises UsageError."""
    from mesh_mgmt.gates import longest_s
    from playbooks.firmware.planning import Limits

    names = {
        "batch": "max_batch",
        "canaries": "canaries",
        "failures": "failure_pct",
        "flash": "flash_s",
        "soak": "soak_s",
        "wave_soak": "wave_soak_s",
        "max_dark": "max_dark",
        "max_dark_district": "max_dark_district",
    }
    if given["backup_age"] is not None:
        given = {**given, "backup_age_s": 86_400 * given["backup_age"]}
        names["backup_age_s"] = "backup_age_s"
    chosen = {names[name]: value for name, value in given.items() if name in names and value is not None}
    windows = tuple(_window(text, given["zone"], given["days"]) for text in given["window"])
    limits = Limits(**chosen, windows=windows, last_gateway_agreed=given["last_gateway"])
    if windows and 1000 * longest_s(windows) <= limits.batch_ms:
        raise click.UsageError(
            _("no window is long enough: a batch may take {takes}; make a window longer or --flash and --soak shorter")
            .format(takes=texts.duration(limits.batch_ms // 1000))
        )  # fmt: skip
    return limits


def _window(text: str, zone: str, days: str) -> Any:
    import re
    from zoneinfo import ZoneInfo

    from mesh_mgmt.gates import Window

    found = re.fullmatch(r"([01]\d|2[0-3]):([0-5]\d)-([01]\d|2[0-3]):([0-5]\d)", text)
    if found is None:
        raise click.UsageError(_("{text} is no window: expected HH:MM-HH:MM, such as 01:00-05:00").format(text=text))
    try:
        ZoneInfo(zone)
    except (KeyError, ValueError, OSError) as error:
        raise click.UsageError(_("there is no time zone {zone}").format(zone=zone)) from error
    if not days or set(days) - set("1234567"):
        raise click.UsageError(_("{text} are no days: expected digits from 1 (Monday) to 7").format(text=days))
    return Window(f"{found[1]}:{found[2]}", f"{found[3]}:{found[4]}", zone, tuple(map(int, sorted(set(days)))))


@words.command("plan")
@words.option("--to", "version", required=True, help="version to upgrade to, as the catalogue names it")
@words.option("--nodes", "filter_text", default="", help="only nodes this filter finds, as in `nodes list`")
@limits_options
@words.option("--save", is_flag=True, help="keep the plan as a rollout that can be started")
@words.option("--actor", default=None, help="your name; the login name otherwise")
@words.option("--catalogue", type=click.Path(path_type=Path), help="directory of the catalogue")
@json_option
@global_options
def rollout_plan(
    version: str, filter_text: str, save: bool, actor: str | None, catalogue: Path | None, as_json: bool, **given: Any
) -> int:
    """Plan a rollout. Example: leitstand rollout plan --to 23.05.5 --nodes district:buer"""
    from playbooks.firmware import observe, planning, shelf

    limits = limits_of(given)
    now = now_ms()
    home = site().directory / "firmware"
    images = shelf.catalogue(home, catalogue or home / "catalogue")
    _expect_version(version, [image.version for image in images])
    only = _chosen(filter_text)
    with opened() as reader:
        seen = reader.read(lambda cx: observe.facts(cx, images))
    plan = planning.make(seen, version, limits, now_ms=now, only=only)
    number = _saved(plan, actor or getpass.getuser(), now) if save and plan.nodes else None
    return show(plan, number, as_json)


def _expect_version(version: str, listed: list[str]) -> None:
    """A version no image has is a slip of the hand, not sixty boards without an image. Raises UsageError."""
    if version not in listed:
        known = ", ".join(dict.fromkeys(listed)) or "–"
        text = _("--to {version}: the catalogue has no such version; it has {known}")
        raise click.UsageError(text.format(version=version, known=known))


def _chosen(text: str) -> frozenset[str] | None:
    from local_store.filter import FilterError
    from local_store.views.listing import ids
    from local_store.views.nodes import NODES

    if not text:
        return None
    with opened() as reader:
        try:
            return frozenset(reader.read(lambda cx: ids(cx, NODES, text)))
        except FilterError as error:
            raise click.UsageError(filter_sentence(error, sorted(NODES.fields()))) from error


def _saved(plan: Plan, actor: str, now: int) -> str:
    from playbooks.firmware.decisions import store_plan

    with writable() as store:
        return str(store.ops.write(lambda cx: store_plan(cx, plan, actor, now)).rollout_id)


def show(plan: Plan, number: str | None, as_json: bool) -> int:
    """Print a plan; findings when it upgrades nobody."""
    if as_json:
        emit([outside(plan, number)])
    else:
        _print(plan, number)
    return 0 if plan.nodes else FINDINGS


def outside(plan: Plan, number: str | None) -> dict[str, Any]:
    """The plan as JSON shows it."""
    import msgspec

    from playbooks.firmware.planning import batches, encode, plan_hash

    return {
        "rollout": number,
        "to": plan.to,
        "nodes": len(plan.nodes),
        "batches": [list(batch) for batch in batches(plan)],
        "waves": [{"name": one.name, "batches": [list(batch) for batch in one.batches], "dark": list(one.dark),
                   "thinned": list(one.thinned)}
                  for one in plan.waves],
        "excluded": [{"node": one.node, "reason": one.reason} for one in plan.excluded],
        "cut_off": plan.cut_off,
        "image": [{"version": one.version, "revision": one.revision, "boards": list(one.boards),
                   "sha256": one.sha256, "size": one.size, "signed_by": list(one.signed_by)} for one in plan.images],
        "estimate_s": plan.estimate_s,
        "needs": list(plan.needs),
        "cuts": list(plan.cuts),
        "limits": msgspec.to_builtins(plan.limits),
        "plan_hash": plan_hash(encode(plan)),
        "rollback_of": plan.rollback_of or None,
    }  # fmt: skip


def _print(plan: Plan, number: str | None) -> None:
    from mesh_mgmt.gates import shows_rate_below

    rows = [
        [
            rollout_words.wave_name(wave.name),
            str(sum(map(len, wave.batches))),
            str(len(wave.batches)),
            str(max(wave.dark, default=0)),
            ", ".join(wave.batches[0][:4]) + (" …" if sum(map(len, wave.batches)) > 4 else ""),
        ]
        for wave in plan.waves
    ]
    table([_("WAVE"), _("NODES"), _("BATCHES"), _("DARK AT ONCE"), _("FIRST")], rows, right=(1, 2, 3))
    left = [[one.node, rollout_words.reason(one.reason)] for one in plan.excluded[:SHOWN]]
    if left:
        say("")
        table([_("LEFT OUT"), _("WHY")], left)
    canaries = sum(map(len, plan.waves[0].batches)) if plan.waves else 0
    facts(
        [
            (_("nodes"), f"{len(plan.nodes)} + {len(plan.excluded)} {_('left out')}"),
            (_("cut off before their turn"), str(plan.cut_off)),
            (_("takes about"), texts.duration(plan.estimate_s)),
            (_("good canaries show"), _("failure rate below {pct}").format(
                pct=texts.percent(shows_rate_below(canaries), 1))),
            (_("on one way meanwhile"), texts.number(len({node for wave in plan.waves for node in wave.thinned}))),
            (_("backups"), rollout_words.backup_age(plan.limits.backup_age_s)),
            (_("on call"), _("to be named at the start, {n} nodes that others hang on restart").format(
                n=texts.number(len(plan.cuts))) if plan.cuts else "–"),
            (_("second person"), ", ".join(map(rollout_words.needs, plan.needs)) or "–"),
        ]
    )  # fmt: skip
    if number is not None:
        say(_("kept as {number}: `leitstand rollout start {number}`").format(number=number))
    elif plan.nodes:
        text = ngettext("{n} node, nothing is kept; with --save it is", "{n} nodes, nothing is kept; with --save it is",
                        len(plan.nodes))  # fmt: skip
        say(text.format(n=texts.number(len(plan.nodes))))


@words.command("rollback")
@click.argument("rollout_id", metavar="ROLLOUT")
@limits_options
@words.option("--actor", default=None, help="your name; the login name otherwise")
@words.option("--catalogue", type=click.Path(path_type=Path), help="directory of the catalogue")
@json_option
@global_options
def rollout_rollback(rollout_id: str, actor: str | None, catalogue: Path | None, as_json: bool, **given: Any) -> int:
    """Plan the way back of a rollout, as one of its own. Example: leitstand rollout rollback R-0007"""
    from playbooks.firmware import decisions, observe, planning, shelf

    limits = limits_of(given)
    now = now_ms()
    home = site().directory / "firmware"
    images = shelf.catalogue(home, catalogue or home / "catalogue")
    with opened() as reader:
        before = reader.read(lambda cx: decisions.to_undo(cx, rollout_id))
        seen = reader.read(lambda cx: observe.facts(cx, images, running=decisions.running_after(cx, rollout_id)))
    plan = planning.make_back(seen, before, rollout_id, limits, now_ms=now)
    number = _saved(plan, actor or getpass.getuser(), now) if plan.nodes else None
    return show(plan, number, as_json)
