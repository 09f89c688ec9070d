"""Opens the screens over a store, with an engine as a child when none is alive; alone in loading Textual."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

from console import texts
from console.cli.context import USAGE
from console.cli.render import say
from console.config import find_file, load, store_directory
from console.demo import end
from console.texts import _
from local_store import lease
from local_store.db import Store
from local_store.keys import store_key


def run(config_given: Path | None, store_given: Path | None, lang: str | None) -> int:
    """Attach to a living engine or start one, and show the screens until they are closed."""
    if os.environ.get("TERM", "dumb") == "dumb" or not sys.stdout.isatty():
        say(_("this terminal cannot show the screens; `leitstand status` and the other commands say the same in lines"))
        return USAGE
    path = find_file(config_given)
    config = load(path)
    texts.set_language(lang or (None if config.ui.lang == "auto" else config.ui.lang))
    os.umask(0o077)
    directory = store_directory(config, store_given)
    key = store_key(directory, config.store.key)
    Store(directory, key.raw).close()
    from console.tui.app import Settings, run_app

    with _engine(path, store_given, directory):
        settings = Settings(config.ui.role, config.ui.theme, config.ui.glyphs, encrypted=key.raw is not None)
        return run_app(directory, key.raw, settings)


@contextlib.contextmanager
def _engine(config: Path | None, store: Path | None, directory: Path) -> Iterator[None]:
    """A child engine for as long as the screens are open, unless one is there already."""
    if lease.is_held(directory):
        yield
        return
    command = [sys.executable, "-m", "console", "collect"]
    command += ["--config", str(config)] if config else []
    command += ["--store", str(store)] if store else []
    log_path = directory / "engine.log"
    with os.fdopen(os.open(log_path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600), "ab") as log:
        process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log)  # noqa: S603
    try:
        yield
    finally:
        end(process)
