"""Rollouts as rows, as a board of waves, and one node's way through it. Pure: views in, styled lines out."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, Final

from rich.cells import set_cell_size

from console import rollout_words, texts
from console.outcome_words import outcome
from console.texts import _, ngettext
from console.tui.lines import PARTS, Board, Line, rule, wrapped
from console.tui.present import glyph
from console.tui.table_columns import Cells, Column
from local_store.rollout_rows import EvidenceRow
from local_store.rollouts import agreed, on_call
from local_store.views.rollouts import Board as RolloutBoard
from local_store.views.rollouts import NodeRun, WaveLine

SIGNS: Final[Mapping[str, str]] = {
    "running": "ok",
    "paused": "warning",
    "complete": "ok",
    "complete_with_exceptions": "warning",
    "aborted": "unknown",
}
"""How a rollout's state is coloured, by the names of node states."""
NUMBER: Final = 7
NARROW: Final = 76
STEP: Final = 24
"""What the longest word for a step takes."""
MOST_SUSPECTS: Final = 200


def columns() -> list[Column]:
    """The list of rollouts."""
    return [
        Column("rollout", _("ROLLOUT"), 8, 0),
        Column("version", _("VERSION"), 12, 0),
        Column("state", _("STATE"), 22, 0, most=32),
        Column("nodes", _("NODES"), 7, 1, right=True),
        Column("ok", _("OK"), 6, 1, right=True),
        Column("failed", _("FAILED"), 7, 0, right=True),
        Column("waiting", _("WAITING"), 8, 2, right=True),
        Column("created", _("SINCE"), 8, 2, right=True),
        Column("actor", _("BY"), 10, 3),
    ]


def cells(row: Mapping[str, Any], now_ms: int, ascii_only: bool) -> Cells:
    """One rollout."""
    state = str(row["state"])
    sign = SIGNS.get(state, "unknown")
    return (
        (str(row["rollout"]), ""),
        (str(row["version"]), ""),
        (f"{glyph(sign, ascii_only)} {rollout_words.rollout_state(state)}", sign),
        (texts.number(row["nodes"]), ""),
        (texts.number(row["ok"]), ""),
        (texts.number(row["failed"]), "down" if row["failed"] else "dim"),
        (texts.number(row["waiting"]), "dim"),
        (texts.age(row["started"] or row["created"], now_ms), "dim"),
        (str(row["actor"]), "dim"),
    )


def board(found: RolloutBoard, now_ms: int, width: int, ascii_only: bool = False) -> list[Line]:
    """Waves, why it halts, and what is conspicuous: the halt stays in sight however many nodes that is."""
    out = Board()
    _head(out, found, now_ms, width, ascii_only)
    if found.refused:
        out.tell(" ", _("the last decision was refused: {why}").format(why=outcome(found.refused)), width, "warning")
    _gates(out, found, width)
    _waves(out, found, width, ascii_only)
    _halt(out, found, width)
    _field(out, found, width)
    if found.suspects:
        out.lines.append(rule(_("Conspicuous"), width))
    for one in found.suspects[:MOST_SUSPECTS]:
        sign = "warning" if one.state in {"deferred", "refused"} or one.reason == "path_down" else "down"
        told = rollout_words.reason(one.reason) or rollout_words.node_state(one.state)
        detail = f"   {one.detail}" if one.detail else ""
        opens = f"rolloutnode:{one.rollout_id}/{one.node_id}"
        out.add(" ", (glyph(sign, ascii_only), sign), f" {one.node_id:<14} {told}", (detail, "dim"), opens=opens)
    _under_way(out, found, width, ascii_only)
    return out.lines


def _under_way(out: Board, found: RolloutBoard, width: int, ascii_only: bool) -> None:
    """What is being done now; each leads to its steps."""
    watched = [one for one in found.waves if one.state == "soak" and found.rollout.state == "running"]
    if found.active or watched:
        out.lines.append(rule(_("Under way"), width))
    for wave in watched:
        name = f"{wave.wave} {rollout_words.wave_name(wave.name)}"
        out.add(f"   {name}: {rollout_words.wave_state(wave.state)}")
    for one in found.active[:MOST_SUSPECTS]:
        until = f"   {_('until')} {texts.clock(one.deadline_ms)}" if one.deadline_ms else ""
        opens = f"rolloutnode:{one.rollout_id}/{one.node_id}"
        told = f" {one.node_id:<14} {rollout_words.node_state(one.state)}"
        out.add(" ", (glyph("unknown", ascii_only), "unknown"), told, (until, "dim"), opens=opens)


def _head(out: Board, found: RolloutBoard, now_ms: int, width: int, ascii_only: bool) -> None:
    row = found.rollout
    limits = json.loads(row.plan)["limits"]
    windows = "  ".join(f"{one['start']}–{one['end']}" for one in limits["windows"]) or "–"
    nodes = sum(wave.nodes for wave in found.waves)
    many = ngettext("{n} node", "{n} nodes", nodes).format(n=texts.number(nodes))
    waves = ngettext("{n} wave", "{n} waves", len(found.waves)).format(n=len(found.waves))
    told = _("{nodes} in {waves}   window {windows}   halts above {pct} failures").format(
        nodes=many, waves=waves, windows=windows, pct=texts.percent(limits["failure_pct"])
    )
    out.flow(told.split(PARTS), width)
    sign = SIGNS.get(row.state, "unknown")
    people = ", ".join(agreed(found.approvals))
    called = on_call(found.approvals)
    wanted = json.loads(row.plan).get("needs", ()) if row.state == "planned" else ()
    missing = ", ".join(map(rollout_words.needs, wanted))
    by = [
        _("planned by {actor}").format(actor=row.actor),
        _("a second person has to approve: {why}").format(why=missing) if missing else "",
        _("approved by {people}").format(people=people) if people else "",
        _("on call {person}").format(person=called) if called else "",
    ]
    age = texts.age(row.finished_ms or row.paused_ms or row.started_ms or row.created_ms, now_ms)
    state = rollout_words.rollout_state(row.state)
    out.add(" ", (f"{glyph(sign, ascii_only)} {state}", sign), (f" {age}", "dim"))
    for row_text in wrapped(PARTS.join(by), width - 2, PARTS):
        out.add((f" {row_text}", "dim"))


def _gates(out: Board, found: RolloutBoard, width: int) -> None:
    """What the plan asks for beside failures and window, as its approver has to see it."""
    plan = json.loads(found.rollout.plan)
    limits = plan["limits"]
    thinned = {node for wave in plan["waves"] for node in wave.get("thinned", ())}
    most = limits.get("max_dark_district") or limits.get("max_dark")
    told = _("backups {age}   on one way meanwhile {thinned}   cut nodes {cuts}   dark at most {dark}").format(
        age=rollout_words.backup_age(limits.get("backup_age_s", 0)),
        thinned=texts.number(len(thinned)),
        cuts=texts.number(len(plan.get("cuts", ()))),
        dark="–" if most is None else texts.number(most),
    )
    for row_text in wrapped(told, width - 2, PARTS):
        out.add((f" {row_text}", "dim"))


def _waves(out: Board, found: RolloutBoard, width: int, ascii_only: bool) -> None:
    """The counts of each wave; a narrow terminal keeps those that matter most."""
    titles: dict[str, tuple[str, tuple[str, ...]]] = {
        "nodes": (_("NODES"), ("nodes",)),
        "waiting": (_("WAITS"), ("waiting",)),
        "loading": (_("LOADS"), ("loading",)),
        "checking": (_("CHECKS"), ("checking",)),
        "ok": (_("OK"), ("ok",)),
        "failed": (_("FAILED"), ("failed",)),
        "back": (_("BACK"), ("back",)),
    }
    if width < NARROW:  # every node is counted somewhere, here too
        titles["loading"] = (_("ACTIVE"), ("loading", "checking"))
        titles["failed"] = (_("FAILED"), ("failed", "back"))
        del titles["checking"], titles["back"]
    head = f" {_('WAVE'):<18}" + "".join(f"{title[:NUMBER]:>{NUMBER + 1}}" for title, _of in titles.values())
    out.add((head, "head"))
    for wave in found.waves:
        name = f"{wave.wave} {rollout_words.wave_name(wave.name)}"
        counts = [(one, sum(int(getattr(wave, name)) for name in of)) for one, (_title, of) in titles.items()]
        parts = [
            (f"{texts.number(count):>{NUMBER + 1}}", "down" if count and one in {"failed", "back"} else "")
            for one, count in counts
        ]
        out.add(f" {set_cell_size(name, 18)}", *parts, (_bar(wave, width - 76, ascii_only), "ok"))


def _bar(wave: WaveLine, room: int, ascii_only: bool) -> str:
    """How far the wave is; left out where there is no room."""
    if room < 8 or not wave.nodes:
        return ""
    length = min(12, room - 7)
    full = length * wave.ok // wave.nodes
    done, left = ("#", ".") if ascii_only else ("█", "░")
    return f"  {done * full}{left * (length - full)} {texts.percent(100 * wave.ok // wave.nodes)}"


def _halt(out: Board, found: RolloutBoard, width: int) -> None:
    row = found.rollout
    if row.state != "paused":
        return
    out.lines.append(rule(_("HALTS: {why}").format(why=rollout_words.pause(row.pause_reason)), width))
    detail = rollout_words.pause_detail(row.pause_detail)
    for row_text in wrapped(detail, width - 2, "; "):
        out.add((f" {row_text}", "warning"))
    out.add(" " + _("Going on affects {n} nodes.").format(n=texts.number(found.remaining)))


def _field(out: Board, found: RolloutBoard, width: int) -> None:
    """What technicians have with them: the console does not touch it meanwhile."""
    if found.leases:
        out.lines.append(rule(_("In the field"), width))
    for one in found.leases:
        out.add(f" {rollout_words.leased(one.lease)}")
        for node_id in one.nodes:
            out.add(f"   {node_id}", opens=f"rolloutnode:{found.rollout.rollout_id}/{node_id}")


def node_run(found: NodeRun, width: int, ascii_only: bool = False) -> list[Line]:
    """One node's moves, with what was said."""
    row = found.node
    out = Board([rule(_("State"), width)])
    sign = {"confirmed": "ok", "skipped": "ok"}.get(row.state, "down" if row.reason else "warning")
    why = f"   {rollout_words.reason(row.reason)}" if row.reason else ""
    out.add(" ", (f"{glyph(sign, ascii_only)} {rollout_words.node_state(row.state)}", sign), why)
    for word, value in (
        (_("operation"), row.op_id),
        (_("board"), row.board_name),
        (_("before"), f"{row.version_before} {row.revision_before}".strip()),
        (_("boot before"), row.boot_id_before),
        (_("boot after"), row.boot_id_after),
        (_("image"), row.image_sha256),
        (_("deliveries"), str(row.deliveries)),
        (_("until"), texts.moment(row.deadline_ms) if row.deadline_ms else ""),
        (_("said"), row.detail),
        (_("leased"), "" if found.lease is None else rollout_words.leased(found.lease)),
    ):
        if value:
            out.tell(f" {word:<14} ", value, width)
    out.lines.append(rule(_("Steps"), width))
    day = ""
    for event in found.events:
        before, day = day, texts.moment(event.at_ms)[:10]
        if day != before:
            out.add((f" {day}", "dim"))
        word, _space, rest = event.detail.partition(" ")
        told = f"{rollout_words.reason(word)}  {rest}".rstrip() if word else ""
        out.tell(f" {texts.clock(event.at_ms)}  {rollout_words.node_state(event.after):<{STEP}}", told, width)
    for proof in found.proofs:
        _proof(out, proof, width, ascii_only)
    return out.lines


def _proof(out: Board, proof: EvidenceRow, width: int, ascii_only: bool) -> None:
    """One link of the signed chain: what was seen of the node, and what was wanted of it."""
    out.lines.append(rule(_("Signed proof {n}").format(n=proof.seq), width))
    body = json.loads(proof.body)
    after = body.get("after", {})
    version = f"{after.get('version', '')} {after.get('revision', '')}".strip()
    out.flow([texts.moment(proof.at_ms), rollout_words.node_state(str(body.get("result", ""))), version], width)
    for check in body.get("checks", ()):
        sign = "ok" if check["ok"] else "down"
        told = rollout_words.proof_check(check["what"], check["seen"], check["wanted"])
        out.tell(f" {glyph(sign, ascii_only)} ", told, width, sign)
    out.tell(f" {_('chain'):<14} ", proof.hash.hex(), width, "dim")
