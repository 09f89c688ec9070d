"""`init` and `doctor`: a configuration to start from, and what is wrong with the one in use."""

from __future__ import annotations

import os
import shutil
import socket
import ssl
import sys
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

import click

from console.cli import words
from console.cli.context import FINDINGS, global_options, json_option, options
from console.cli.render import emit, say
from console.texts import _

Verdict = Literal["ok", "warning", "problem"]
LEAST_FREE_BYTES = 1_000_000_000


@dataclass(frozen=True, slots=True)
class Check:
    """One thing looked at, and what to do about it."""

    name: str
    verdict: Verdict
    found: str
    advice: str = ""


@words.command()
@global_options
def init() -> int:
    """Write a commented configuration. Example: leitstand init --config leitstand.toml"""
    from console.config import FILE_NAME
    from console.config_template import template

    path = options().config or Path.cwd() / FILE_NAME
    try:
        handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        say(_("{path} exists already and stays as it is").format(path=path))
        return FINDINGS
    except OSError as error:
        raise click.UsageError(_("{path} cannot be written: {error}").format(path=path, error=error)) from error
    with os.fdopen(handle, "w", encoding="utf-8") as file:
        file.write(template())
    say(_("{path} is written; edit it, then run `leitstand doctor`").format(path=path))
    return 0


@words.command()
@json_option
@global_options
def doctor(as_json: bool) -> int:
    """Look at everything that has to be right. Example: leitstand doctor --json"""
    checks = list(examine())
    if as_json:
        emit([asdict(check) for check in checks])
    else:
        marks = {"ok": "●", "warning": "▲", "problem": "✖"}
        words = {"ok": _("ok"), "warning": _("warning"), "problem": _("problem")}
        for check in checks:
            click.echo(f"{marks[check.verdict]} {words[check.verdict]:9} {check.name}: {check.found}")
            if check.advice:
                click.echo(f"            {check.advice}")
    return FINDINGS if any(check.verdict == "problem" for check in checks) else 0


def examine() -> Iterator[Check]:
    """Every check in turn; a configuration that cannot be read is raised to the caller."""
    from console.config import find_file, load, store_directory

    path = find_file(options().config)
    config = load(path)
    yield Check(_("configuration"), "ok", str(path or _("none, everything at its default")))
    base = path.parent if path else Path.cwd()
    yield from _secrets(config, base)
    directory = store_directory(config, options().store)
    yield from _store(config, directory)
    for broker in config.broker:
        yield _broker(broker, base)
    yield _terminal()


def _secrets(config: Any, base: Path) -> Iterator[Check]:
    from console.compose import broker_target, credentials
    from console.errors import SecretError

    for name, profile in config.snmp.items():
        try:
            credentials({name: profile}, base)
        except SecretError as error:
            yield Check(f"snmp.{name}", "problem", str(error))
            continue
        weak = profile.version == "2c" or profile.auth in (None, "md5") or profile.priv in (None, "des")
        what = "SNMPv2c" if profile.version == "2c" else f"SNMPv3 {profile.auth or '-'} / {profile.priv or '-'}"
        advice = (
            _("anybody on the way can read or forge this; use SNMPv3 with SHA and AES where the node can")
            if weak
            else ""
        )
        yield Check(f"snmp.{name}", "warning" if weak else "ok", what, advice)
    for section in config.broker:
        try:
            broker_target(section, base)
        except SecretError as error:
            yield Check(f"broker {section.name}", "problem", str(error))


def _store(config: Any, directory: Path) -> Iterator[Check]:
    from local_store import lease
    from local_store.db import OPS
    from local_store.keys import store_key
    from local_store.sqlite import ENCRYPTS, lib

    if not (directory / OPS).exists():
        yield Check(
            _("store"), "warning", _("{place} is empty").format(place=directory), _("`leitstand collect` makes it")
        )
    else:
        key = store_key(directory, config.store.key, create=False)
        words = {"keyring": _("encrypted, key in the keyring"), "file": _("encrypted, key in {path}").format(
            path=directory / "store.key"), "none": _("not encrypted")}  # fmt: skip
        verdict: Verdict = "ok" if key.place == "keyring" else "warning"
        advice = "" if key.place == "keyring" else _("whoever can read this account's files can read the store")
        yield Check(_("store"), verdict, words[key.place], advice)
        alive = lease.is_held(directory)
        yield Check(_("engine"), "ok" if alive else "warning", _("running") if alive else _("not running"))
    version = tuple(int(part) for part in lib.sqlite_version.split("."))
    risky = version < (3, 51, 3)
    advice = (
        _("this SQLite can damage a store that two processes write at one moment; install sqlcipher3") if risky else ""
    )
    name = "SQLCipher" if ENCRYPTS else "SQLite"
    yield Check(name, "warning" if risky else "ok", lib.sqlite_version, advice)
    place = next(one for one in (directory, *directory.parents) if one.exists())
    free = shutil.disk_usage(place).free
    yield Check(_("free disk"), "ok" if free > LEAST_FREE_BYTES else "problem", f"{free / 1e9:.1f} GB")


def _broker(section: Any, base: Path) -> Check:
    name = f"broker {section.name}"
    try:
        with socket.create_connection((section.host, section.port), timeout=3) as sock:
            if section.tls:
                ca_file = str(base / section.ca_file) if section.ca_file else None
                context = ssl.create_default_context(cafile=ca_file)
                if section.cert_file:
                    context.load_cert_chain(
                        base / section.cert_file, base / section.key_file if section.key_file else None
                    )
                with context.wrap_socket(sock, server_hostname=section.host):
                    return Check(name, "ok", _("reached, certificate trusted"))
    except (OSError, ssl.SSLError) as error:
        return Check(name, "problem", f"{section.host}:{section.port}: {error}")
    local = section.host in ("localhost", "127.0.0.1", "::1")
    advice = "" if local else _("the connection is not encrypted: set `tls = true`")
    return Check(name, "ok" if local else "warning", _("reached"), advice)


def _terminal() -> Check:
    columns, lines = shutil.get_terminal_size()
    colours = os.environ.get("COLORTERM") or os.environ.get("TERM") or "dumb"
    utf8 = (sys.stdout.encoding or "").lower().startswith("utf")
    small = columns < 80 or lines < 24
    advice = "" if utf8 else _('set a UTF-8 locale, or `glyphs = "ascii"` in [ui]')
    return Check(_("terminal"), "warning" if small or not utf8 else "ok", f"{columns}x{lines} {colours}", advice)
