"""What every command shares: options, the store, the one place that turns errors into sentences and exit codes."""

from __future__ import annotations

import contextlib
import json
import os
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, NoReturn

import click
from click.exceptions import Abort, ClickException, Exit

from console import texts
from console.errors import ConfigError, SecretError
from console.texts import _
from device_drivers.errors import DriverError
from local_store.errors import StoreError

OK, FINDINGS, USAGE, CONFIGURATION, STORE, DEVICE, INTERRUPTED = 0, 1, 2, 3, 4, 5, 130
GLOBAL: Final = ("config", "store", "lang")


@dataclass(slots=True)
class Options:
    """The global options as they were given, before or after the command."""

    config: Path | None = None
    store: Path | None = None
    lang: str | None = None


def options() -> Options:
    """The options of the running command."""
    found = click.get_current_context().find_object(Options)
    return found if found is not None else Options()


def _remember(context: click.Context, parameter: click.Parameter, value: Any) -> Any:
    if value is not None and parameter.name is not None:
        given = context.ensure_object(Options)
        setattr(given, parameter.name, value)
        if parameter.name == "lang":
            texts.set_language(value)
    return value


def global_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """--config, --store and --lang, accepted before and after every command."""
    path = click.Path(path_type=Path)
    for name, kind, text in (
        ("--lang", click.Choice(texts.LANGUAGES), "language of words: de or en"),
        ("--store", path, "directory of the store"),
        ("--config", path, "configuration file"),
    ):
        command = click.option(name, type=kind, expose_value=False, is_eager=True, callback=_remember, help=text)(
            command
        )
    return command


def json_option(command: Callable[..., Any]) -> Callable[..., Any]:
    """--json: one JSON object per line instead of a table."""
    return click.option("--json", "as_json", is_flag=True, help="JSON, one object per line")(command)


@contextlib.contextmanager
def opened() -> Iterator[Any]:
    """A Reader of the chosen store. Raises StoreError when there is none yet."""
    from console.config import find_file, load, store_directory
    from local_store.db import OPS, Reader
    from local_store.keys import store_key

    given = options()
    config = load(find_file(given.config))
    directory = store_directory(config, given.store)
    if not (directory / OPS).exists():
        raise StoreError(
            _("there is no store in {place} yet: start `leitstand collect` or import nodes first").format(
                place=directory
            )
        )
    reader = Reader(directory, store_key(directory, config.store.key, create=False).raw)
    try:
        yield reader
    finally:
        reader.close()


@contextlib.contextmanager
def writable() -> Iterator[Any]:
    """The chosen store for writing, made if it does not exist."""
    from console.config import find_file, load, store_directory
    from local_store.db import Store
    from local_store.keys import store_key

    os.umask(0o077)
    given = options()
    config = load(find_file(given.config))
    directory = store_directory(config, given.store)
    store = Store(directory, store_key(directory, config.store.key).raw)
    try:
        yield store
    finally:
        store.close()


def say(text: str) -> None:
    """Words go to standard error, data to standard output."""
    click.echo(text, err=True)


def emit(rows: list[dict[str, Any]]) -> None:
    """One JSON object per line."""
    for row in rows:
        click.echo(json.dumps(row, ensure_ascii=False, default=str))


def guarded(run: Callable[[], Any]) -> NoReturn:
    """Run the command line; every expected error becomes one sentence and its exit code."""
    try:
        result = run()
    except Exit as error:
        sys.exit(error.exit_code)
    except (Abort, KeyboardInterrupt):
        sys.exit(INTERRUPTED)
    except ClickException as error:
        error.show()
        sys.exit(error.exit_code)
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(OK)
    except (ConfigError, SecretError) as error:
        say(str(error))
        sys.exit(CONFIGURATION)
    except StoreError as error:
        say(str(error))
        sys.exit(STORE)
    except DriverError as error:
        say(str(error))
        sys.exit(DEVICE)
    sys.exit(result if isinstance(result, int) else OK)
