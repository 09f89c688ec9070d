"""The commands about the store itself."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

import click

from console import texts
from console.cli import words
from console.cli.context import FINDINGS, global_options, json_option, opened, site, store_exists, writable
from console.cli.damaged import store_damaged
from console.cli.render import emit, facts, put, say
from console.cli.tables import store_export, store_schema
from console.clock import now_ms
from console.texts import _, ngettext, visible

if TYPE_CHECKING:
    from local_store.backup import Manifest


@words.group()
@global_options
def store() -> None:
    """The store: two files with everything in them."""


for _command in (store_schema, store_export, store_damaged):
    store.add_command(_command)


@store.command("stats")
@json_option
@global_options
def store_stats(as_json: bool) -> None:
    """How much is in it. Example: leitstand store stats --json"""
    from local_store.views.console_health import stats

    with opened() as reader:
        found = reader.read(stats)
        logs = reader.log_bytes()
    samples = sum(value for name, value in found.items() if name.endswith("_samples"))
    each = round(found["telemetry_bytes"] / samples, 2) if samples else None
    if as_json:
        wal = {"ops_wal_bytes": logs[0], "telemetry_wal_bytes": logs[1]}
        emit([{**found, **wal, "measurements": samples, "bytes_per_measurement": each}])
        return
    facts(
        [
            (_("nodes"), texts.number(found["nodes"])),
            (_("sensors"), texts.number(found["sensors"])),
            (_("series"), texts.number(found["series"])),
            (_("measurements"), texts.number(samples)),
            (_("not yet compressed"), texts.number(found["tail_samples"])),
            (_("bytes a measurement"), texts.number(each, 2)),
            (_("open alerts"), texts.number(found["alerts_open"])),
            (_("quarantine"), texts.number(found["quarantine"])),
            (_("damaged rows set aside"), texts.number(found["damaged"])),
            (_("waiting for the engine"), texts.number(found["intents_queued"])),
            ("ops.db", texts.size(found["ops_bytes"])),
            ("telemetry.db", texts.size(found["telemetry_bytes"])),
            (_("free pages in it"), texts.size(found["telemetry_free_bytes"])),
            (_("logs not yet moved into the files"), texts.size(sum(logs))),
        ]
    )


@store.command("verify")
@json_option
@global_options
def store_verify(as_json: bool) -> int:
    """Check every page, chunk, audit entry and operation. Example: leitstand store verify --json"""
    from local_store.keys import signing_key
    from local_store.telemetry.chunks import damaged
    from local_store.telemetry.damage import count as count_aside
    from local_store.upkeep import verify

    with writable() as opened_store:
        signer = signing_key(opened_store.directory, site().config.store.key)
        found = verify(opened_store, signer.public_key(), lambda cx: damaged(cx, "tm"))
        aside = opened_store.read(lambda cx: count_aside(cx, "tm"))
    if as_json:
        counts = {name: getattr(found.audit, name) for name in ("entries", "heads", "unsigned")}
        emit([{"sound": found.sound, "findings": [asdict(one) for one in found.findings], "audit": counts}])
    else:
        put(f"{_part(one.part)}: {visible(one.text)}" for one in found.findings)
    count = len(found.findings)
    if found.sound:
        text = _("sound: both files, every chunk, {entries} audit entries, {heads} signed heads")
        say(text.format(entries=texts.number(found.audit.entries), heads=texts.number(found.audit.heads)))
        return 0
    if count > aside:
        say(ngettext("{n} finding: restore a backup", "{n} findings: restore a backup", count).format(n=count))
    if aside:
        text = ngettext(
            "{n} damaged row is set aside: look at `leitstand store damaged list`, let it go with `dismiss`",
            "{n} damaged rows are set aside: look at `leitstand store damaged list`, let them go with `dismiss`",
            aside,
        )
        say(text.format(n=texts.number(aside)))
    return FINDINGS


def _part(part: str) -> str:
    words_of = {"ops": "ops.db", "telemetry": "telemetry.db", "chunks": _("measurements"), "audit": _("audit log")}
    return words_of.get(part, _("operations"))


@store.command("backup")
@click.argument("destination", type=click.Path(path_type=Path))
@json_option
@global_options
def store_backup(destination: Path, as_json: bool) -> int:
    """Copy the store while the engine goes on. Example: leitstand store backup /media/stick/monday"""
    from local_store.backup import backup
    from local_store.keys import KEY_FILE

    with writable() as opened_store:
        manifest = backup(opened_store, destination.absolute(), now_ms())
        place = opened_store.directory
    if as_json:
        emit([asdict(manifest)])
    else:
        _show(destination, manifest)
    if manifest.key:
        where = _("the keyring") if manifest.store_id else str(place / KEY_FILE)
        say(_("the copy is encrypted with this store's key, which is not in it: keep {key} safe").format(key=where))
    return 0


def _show(place: Path, manifest: Manifest) -> None:
    facts(
        [
            (_("backup"), str(place)),
            (_("made"), texts.moment(manifest.created_ms)),
            *((one.name, texts.size(one.bytes)) for one in manifest.files),
        ]
    )


@store.command("restore")
@click.argument("source", type=click.Path(path_type=Path))
@words.option("--yes", is_flag=True, help="replace the store; without it only say what would happen")
@json_option
@global_options
def store_restore(source: Path, yes: bool, as_json: bool) -> int:
    """Put a backup in the store's place. Example: leitstand store restore /media/stick/monday --yes"""
    from local_store import restoring
    from local_store.backup import check, restore
    from local_store.keys import store_key

    here = site()
    key = store_key(here.directory, here.config.store.key, create=False).raw
    kept_before = restoring.kept(here.directory)
    manifest = restore(source, here.directory, key) if yes else check(source, key)
    if as_json:
        emit([{**asdict(manifest), "restored": yes}])
    else:
        _show(source, manifest)
    if yes:
        replaced = restoring.kept(here.directory) - kept_before
        text = _("restored; what was there before lies in {place}") if replaced else _("restored")
        say(text.format(place=next(iter(replaced), "")))
        return 0
    if store_exists(here.directory):
        say(_("the backup is whole; --yes puts it in place of the store in {place}").format(place=here.directory))
    else:
        say(_("the backup is whole; --yes puts it into {place}").format(place=here.directory))
    return FINDINGS
