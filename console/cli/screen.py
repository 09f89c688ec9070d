"""Opens the screens over a store, with an engine as a child when none is alive; alone in loading Textual."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

from console.cli.context import USAGE, Options, chosen
from console.cli.render import say
from console.demo import end
from console.texts import _
from local_store import lease, view_settings
from local_store.db import Store
from local_store.keys import store_key


def is_screen() -> bool:
    """Whether standard output is a terminal that can show the screens."""
    return os.environ.get("TERM", "dumb") != "dumb" and sys.stdout.isatty()


def run(given: Options, view: str = "", screenreader: bool = False) -> int:
    """Attach to a living engine or start one, and show the screens until they are closed; `view` is a saved one."""
    if not is_screen():
        say(_("this terminal cannot show the screens; `leitstand status` and the other commands say the same in lines"))
        return USAGE
    here = chosen(given)
    os.umask(0o077)
    key = store_key(here.directory, here.config.store.key)
    with contextlib.closing(Store(here.directory, key.raw)) as store:
        saved = store.read(lambda cx: view_settings.read(cx, view_settings.SAVED))
    if view and view not in saved:
        known = ", ".join(saved) or "–"
        say(_("there is no view {name}; kept ones: {known}").format(name=view, known=known))
        return USAGE
    from console.tui.app import Settings, run_app

    ui = here.config.ui
    with _engine(here.file, given.store, here.directory):
        settings = Settings(
            ui.role, ui.theme, ui.glyphs, encrypted=key.raw is not None, view=view, screenreader=screenreader
        )
        return run_app(here.directory, key.raw, settings)


@contextlib.contextmanager
def _engine(config: Path | None, store: Path | None, directory: Path) -> Iterator[None]:
    """A child engine for as long as the screens are open, unless one is there already."""
    if lease.is_held(directory):
        yield
        return
    command = [sys.executable, "-m", "console", "collect", "--until-stdin-closes"]
    command += ["--config", str(config)] if config else []
    command += ["--store", str(store)] if store else []
    log_path = directory / "engine.log"
    with os.fdopen(os.open(log_path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600), "ab") as log:
        process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=log, stderr=log)  # noqa: S603
    try:
        yield
    finally:
        end(process)
