"""`init` and `doctor`: a configuration to start from, and what is wrong with the one in use."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

import click

from console.cli import words
from console.cli.context import CONFIGURATION, FINDINGS, global_options, json_option, options, site
from console.cli.render import emit, put, say
from console.clock import now_ms
from console.errors import ConfigError
from console.texts import _, visible

if TYPE_CHECKING:
    from console.doctor import Check

MARKS = {"ok": "●", "warning": "▲", "problem": "✖"}


@words.command()
@json_option
@global_options
def init(as_json: bool) -> int:
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
        text = _("{path} cannot be written: {error}")
        raise click.UsageError(text.format(path=path, error=error.strerror)) from error
    with os.fdopen(handle, "w", encoding="utf-8") as file:
        file.write(template())
    if as_json:
        emit([{"file": str(path)}])
    say(_("{path} is written; edit it, then run `leitstand doctor`").format(path=path))
    return 0


@words.command()
@json_option
@global_options
def doctor(as_json: bool) -> int:
    """Look at everything that has to be right. Example: leitstand doctor --json"""
    verdicts = []
    for check in _examine():
        verdicts.append((check.check, check.verdict))
        if as_json:
            emit([asdict(check)])
        else:
            put(_lines(check))
    if ("configuration", "problem") in verdicts:
        return CONFIGURATION
    return FINDINGS if any(verdict == "problem" for _check, verdict in verdicts) else 0


def _examine() -> Iterator[Check]:
    """With a configuration nobody can read, what does not depend on it."""
    from console import doctor as checks

    try:
        here = site()
    except ConfigError as error:
        yield checks.Check("configuration", "", "problem", str(error))
        yield checks.database()
        yield checks.terminal(os.environ)
        return
    found = str(here.file or _("none, everything at its default"))
    yield checks.Check("configuration", "", "ok", found)
    yield from checks.examine(here.config, here.base, here.directory, now_ms())


def _lines(check: Check) -> Iterator[str]:
    """Sign, word, what was looked at, what was found; below it what to do."""
    names = {
        "configuration": _("configuration"),
        "snmp": "SNMP",
        "ssh": "SSH",
        "login": _("login"),
        "profiles": _("profiles"),
        "broker": _("broker"),
        "store": _("store"),
        "rights": _("rights"),
        "engine": _("engine"),
        "clock": _("clock"),
        "database": _("database"),
        "disk": _("disk"),
        "terminal": _("terminal"),
    }
    verdicts = {"ok": _("ok"), "warning": _("warning"), "problem": _("problem")}
    name = f"{names[check.check]} {check.subject}".rstrip()
    mark = MARKS[check.verdict] if (sys.stdout.encoding or "").lower().startswith("utf") else "-"
    yield f"{mark} {verdicts[check.verdict]:8} {visible(name)}: {visible(check.found)}"
    if check.advice:
        yield f"             → {visible(check.advice)}"
