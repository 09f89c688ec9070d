"""A rollout's report as HTML, CSV or JSON, and its check anywhere, without the store."""

from __future__ import annotations

import secrets
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click

from console import rollout_words, texts
from console.cli import words
from console.cli.context import FINDINGS, global_options, json_option, opened, site
from console.cli.render import emit, facts, say, table
from console.clock import now_ms
from console.texts import _, ngettext

if TYPE_CHECKING:
    from playbooks.firmware.report import Verdict

HASH_SHOWN: Final = 12


@words.command("report")
@click.argument("rollout_id", metavar="ROLLOUT")
@words.option("--html", "html_file", type=words.NewFile(), help="write a page to print or file")
@words.option("--csv", "csv_file", type=words.NewFile(), help="write a table for spreadsheets")
@json_option
@global_options
def rollout_report(rollout_id: str, html_file: Path | None, csv_file: Path | None, as_json: bool) -> None:
    """Who, what, when, with which proof. Example: leitstand rollout report R-0007 --html R-0007.html"""
    from local_store.keys import signing_key
    from playbooks.firmware import report

    here = site()
    with opened() as reader:
        signer = signing_key(here.directory, here.config.store.key, create=False)
        found = reader.read(lambda cx: report.collect(cx, rollout_id, signer, now_ms()))
    if html_file is not None:
        _write(html_file, report.as_html(found, _headings(found), _told, signer))
    if csv_file is not None:
        _write(csv_file, report.as_csv(found))
    if as_json:
        emit([found])
    elif html_file is None and csv_file is None:
        columns = ("node", "result", "reason", "version_before", "version_after", "at_ms")
        names = _headings(found)
        table([names[one].upper() for one in columns],
              [[_told(one, line[one]) for one in columns] for line in report.lines(found)])  # fmt: skip
    count = len(found["chain"])
    say(ngettext("{n} signed proof", "{n} signed proofs", count).format(n=texts.number(count)))


def _write(path: Path, text: str) -> None:
    """Whole or not at all; a pipe or a device is written into, never replaced by a file."""
    if path.exists() and not path.is_file():
        path.write_text(text, encoding="utf-8")
        return
    draft = path.with_name(f".{path.name}.{secrets.token_hex(4)}.part")  # two reports at once: each its own
    try:
        draft.write_text(text, encoding="utf-8")
        draft.replace(path)
    finally:
        draft.unlink(missing_ok=True)


def _headings(found: dict[str, Any]) -> dict[str, str]:
    approved = ", ".join(found["approved_by"]) or "–"
    return {
        "title": _("Rollout {number}: {version}").format(number=found["rollout"], version=found["version"]),
        "summary": _("{state}; planned by {actor}, approved by {approved}; begun {begun}, ended {ended}").format(
            state=rollout_words.rollout_state(found["state"]), actor=found["operator"], approved=approved,
            begun=texts.moment(found["started_ms"]) if found["started_ms"] else "–",
            ended=texts.moment(found["finished_ms"]) if found["finished_ms"] else "–"),
        "node": _("node"), "result": _("result"), "reason": _("reason"), "version_before": _("before"),
        "version_after": _("after"), "boot_id_before": _("boot before"), "boot_id_after": _("boot after"),
        "board": _("board"), "image": _("image"), "operator": _("operator"), "at_ms": _("when"), "detail": _("detail"),
    }  # fmt: skip


def _told(column: str, value: object) -> str:
    if column == "result":
        return rollout_words.node_state(str(value))
    if column == "reason":
        return rollout_words.reason(str(value)) if value else ""
    if column == "at_ms" and isinstance(value, int):
        return texts.moment(value)
    return str(value)[:HASH_SHOWN] if column == "image" else str(value)


@words.command("verify")
@click.argument("file", type=click.Path(path_type=Path, exists=True, dir_okay=False))
@json_option
@global_options
def rollout_verify(file: Path, as_json: bool) -> int:
    """Check a report's signatures; needs no store. Example: leitstand rollout verify R-0007.html"""
    from playbooks.firmware.report import NoReport, verify

    try:
        found = verify(file.read_text(encoding="utf-8"))
    except (NoReport, UnicodeDecodeError) as error:
        raise click.UsageError(_("{file} cannot be checked: {error}").format(file=file, error=error)) from error
    own = _own_key()
    if as_json:
        emit([{"rollout": found.rollout, "state": found.state, "rows": found.rows, "key": found.key,
               "own_key": own == found.key, "flaw": found.flaw or None, "at_row": found.at_row}])  # fmt: skip
    else:
        _print(found, own)
    return FINDINGS if found.flaw else 0


def _own_key() -> str | None:
    """This console's own fingerprint, where it has a store."""
    from local_store.errors import StoreError
    from local_store.keys import signing_key
    from playbooks.firmware.report import own_fingerprint

    try:
        here = site()
        return own_fingerprint(signing_key(here.directory, here.config.store.key, create=False))
    except StoreError:
        return None


def _print(found: Verdict, own: str | None) -> None:
    whose = _("this console's own") if own == found.key else _("compare it with the console that made the report")
    facts(
        [
            (_("rollout"), f"{found.rollout}, {rollout_words.rollout_state(found.state)}"),
            (_("proofs"), str(found.rows)),
            (_("signed with key"), f"{found.key} ({whose})"),
        ]
    )
    flaws = {
        "": _("every proof is there, unchanged and signed"),
        "plan_changed": _("the plan was changed"),
        "missing": _("a proof is missing"),
        "not_chained": _("a proof does not follow the one before it"),
        "changed": _("a proof was changed"),
        "not_signed": _("a proof is not signed with this key"),
        "cut_off": _("proofs were cut off its end, or its state was changed"),
        "head_changed": _("what it says about the rollout as a whole was changed"),
        "page_changed": _("the page was changed after it was written, or its signature is missing"),
        "table_changed": _("the table does not say what the proofs say"),
    }
    where = "" if found.at_row is None else f" ({found.at_row})"
    say(flaws.get(found.flaw, found.flaw) + where)
