"""What every command shares: options, the store, the one place that turns errors into sentences and exit codes."""

from __future__ import annotations

import contextlib
import getpass
import os
import random
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, NoReturn

import click
from click.exceptions import Abort, ClickException, Exit

from console import texts
from console.cli import words
from console.cli.render import OutputClosed, nobody_listens, say, throw_away
from console.errors import ConfigError, SecretError
from console.texts import _
from device_drivers.errors import DriverError
from local_store.errors import StoreError

if TYPE_CHECKING:
    from console.config import Config
    from local_store.intents import IntentKind

OK, FINDINGS, USAGE, CONFIGURATION, STORE, DEVICE, INTERRUPTED = 0, 1, 2, 3, 4, 5, 130
LANG_VARIABLE: Final = "LEITSTAND_LANG"
ARMED_MS: Final = 60_000


@dataclass(slots=True)
class Options:
    """The global options as they were given, before or after the command."""

    config: Path | None = None
    store: Path | None = None
    lang: str | None = None


@dataclass(frozen=True, slots=True)
class Site:
    """The configuration in use, the file it came from, and the directory of its store."""

    file: Path | None
    config: Config
    directory: Path

    @property
    def base(self) -> Path:
        """Where relative paths of the configuration begin."""
        return self.file.parent if self.file else Path.cwd()


def options() -> Options:
    """The options of the running command."""
    found = click.get_current_context().find_object(Options)
    return found if found is not None else Options()


def _remember(context: click.Context, parameter: click.Parameter, value: Any) -> Any:
    if value is not None and parameter.name is not None:
        given = context.ensure_object(Options)
        setattr(given, parameter.name, value)
        if parameter.name == "lang":
            words.speak(value)
    return value


def global_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """--config, --store and --lang, accepted before and after every command."""
    path = click.Path(path_type=Path)
    shared: dict[str, Any] = {"expose_value": False, "is_eager": True, "callback": _remember}
    command = words.option("--lang", type=click.Choice(texts.LANGUAGES), help="language of words", **shared)(command)
    command = words.option("--store", type=path, help="directory of the store", **shared)(command)
    return words.option("--config", type=path, help="configuration file", **shared)(command)


def json_option(command: Callable[..., Any]) -> Callable[..., Any]:
    """--json: one JSON object per line instead of a table."""
    return words.option("--json", "as_json", is_flag=True, help="JSON, one object per line")(command)


def site() -> Site:
    """What the global options of the running command choose. Raises ConfigError."""
    return chosen(options())


def chosen(given: Options) -> Site:
    """Read the configuration and go on in its language. Raises ConfigError."""
    from console.config import find_file, load, store_directory

    file = find_file(given.config)
    config = load(file)
    if given.lang is None and LANG_VARIABLE not in os.environ and config.ui.lang != "auto":
        words.speak(config.ui.lang)
    return Site(file, config, store_directory(config, given.store))


def store_exists(directory: Path | None = None) -> bool:
    """Whether the chosen directory (or this one) holds a store."""
    from local_store.db import OPS

    return ((directory or site().directory) / OPS).exists()


def _must_exist(directory: Path) -> None:
    if not store_exists(directory):
        text = _("there is no store in {place} yet: start `leitstand collect` or import nodes first")
        raise StoreError(text.format(place=directory))


@contextlib.contextmanager
def opened() -> Iterator[Any]:
    """A Reader of the chosen store. Raises StoreError when there is none yet."""
    from local_store.db import Reader
    from local_store.keys import store_key

    here = site()
    _must_exist(here.directory)
    reader = Reader(here.directory, store_key(here.directory, here.config.store.key, create=False).raw)
    with contextlib.closing(reader):
        yield reader


@contextlib.contextmanager
def writable(*, create: bool = False) -> Iterator[Any]:
    """The chosen store for writing; made if it does not exist and may be made."""
    from local_store.db import Store
    from local_store.keys import store_key

    os.umask(0o077)
    here = site()
    if not create:
        _must_exist(here.directory)
    store = Store(here.directory, store_key(here.directory, here.config.store.key, create=create).raw)
    with contextlib.closing(store):
        yield store


def ask_engine(cx: Any, kind: IntentKind, body: dict[str, Any], now: int, actor: str | None = None) -> str:
    """Queue an intent through the store's gate: calling a writing command is what arms it, for this one write."""
    import msgspec

    from local_store import intents

    grant = intents.WriteGrant(actor or getpass.getuser(), "network", now + ARMED_MS)
    text = msgspec.json.encode(body).decode()
    return intents.queue(cx, grant, kind, text, now_ms=now, rng=random.SystemRandom())


def say_without_engine(directory: Path) -> None:
    """Words for when nobody is there to do what was queued."""
    from local_store import lease

    if not lease.is_held(directory):
        say(_("no engine is running on this store: it waits until one does"))


def _database_errors() -> tuple[type[Exception], ...]:
    """Looked up only when something was raised: a version or help loads no database."""
    from local_store import sqlite

    return (sqlite.Error,)


def guarded(run: Callable[[], Any]) -> NoReturn:
    """Run the command line; every expected error becomes one sentence and its exit code."""
    try:
        result = run()
        sys.exit(result if isinstance(result, int) else OK)
    except Exit as error:
        sys.exit(error.exit_code)
    except (Abort, KeyboardInterrupt) as error:
        _broken_off(error)
    except ClickException as error:
        with nobody_listens():
            error.show()
        sys.exit(error.exit_code)
    except OutputClosed:
        throw_away(sys.stdout)
        sys.exit(OK)
    except UnicodeEncodeError:
        _end(_("an argument is not valid UTF-8 text"), USAGE)
    except (ConfigError, SecretError) as error:
        _end(str(error), CONFIGURATION)
    except StoreError as error:
        _end(headed(error), STORE)
    except DriverError as error:
        _end(headed(error), DEVICE)
    except OSError as error:
        _end(f"{error.filename or _('input or output')}: {error.strerror or error}", STORE)
    except _database_errors() as error:
        _end(_("the store cannot be used: {error}").format(error=error), STORE)


def _broken_off(error: BaseException) -> NoReturn:
    """Somebody wants no more; or a question met the end of the input, as it does in a script."""
    if isinstance(error.__context__, EOFError) and not sys.stdin.isatty():
        say("")
        _end(_("nobody is there to answer: `--help` shows the option that does, or run it at a terminal"), USAGE)
    sys.exit(INTERRUPTED)


def headed(error: StoreError | DriverError) -> str:
    """Store and drivers speak English only: elsewhere their sentence stands behind a heading in the reader's words."""
    headings = {
        "StoreBusy": _("the store is in use"),
        "StoreNewer": _("the store was written by a newer Leitstand"),
        "StoreDamaged": _("the store is damaged or incomplete"),
        "StoreFull": _("the disk is full"),
        "StoreRefused": _("this may not be done"),
        "KeyRefused": _("the key of the store cannot be had"),
        "Unreachable": _("not reachable"),
        "Refused": _("refused"),
        "Garbled": _("the answer cannot be understood"),
        "Unsupported": _("not supported there"),
        "Stale": _("the answer is out of date"),
    }
    hints = {
        "HostKeyUnknown": _("compare it with the node's label, then `leitstand nodes trust '{node}'`"),
        "HostKeyChanged": _("if the node was replaced or set up anew: `leitstand nodes trust '{node}' --replace`"),
        "HostKeyRevoked": _("make a new host key on {node}, then `leitstand nodes trust '{node}' --replace`"),
    }
    hint = hints.get(type(error).__name__)
    tail = f"; {hint.format(node=error.device)}" if hint and isinstance(error, DriverError) else ""
    heading = next((headings[kind.__name__] for kind in type(error).__mro__ if kind.__name__ in headings), None)
    return (str(error) if heading is None or texts.language() == "en" else f"{heading}: {error}") + tail


def _end(text: str, code: int) -> NoReturn:
    say(text)
    sys.exit(code)
