"""What all lists share: the filter, the order, the rows, and words for a filter nobody can understand."""

from __future__ import annotations

from typing import Any

import click
from click.shell_completion import CompletionItem

from console import texts
from console.cli import words
from console.cli.context import global_options, json_option, opened
from console.cli.render import say
from console.cli.series import since_ms
from console.clock import now_ms
from console.errors import ConfigError
from console.texts import _
from local_store.errors import StoreError
from local_store.filter import FilterError
from local_store.views import past
from local_store.views.listing import Listing, ids, rows

PAGE = 500
OFFERED = 100


def read_list(
    chosen: Listing, text: str, sort: str, descending: bool, then: past.Moment | None = None
) -> list[dict[str, Any]]:
    """Rows of a list as of one moment; a filter or order that cannot be understood is a usage error."""
    order = chosen.aliases.get(sort, sort)
    if order and order not in chosen.columns:
        known = ", ".join(sorted(chosen.columns))
        raise click.UsageError(
            _("there is no column {word!r} to sort by; columns: {known}").format(word=sort, known=known)
        )

    def read(cx: Any) -> list[tuple[object, ...]]:
        given = () if then is None else then.given(chosen)
        keys = ids(cx, chosen, text, order, descending, given)
        found: dict[str, tuple[object, ...]] = {}
        for at in range(0, len(keys), PAGE):
            found |= rows(cx, chosen, keys[at : at + PAGE], given)
        return [found[key] for key in keys]

    with opened() as reader:
        try:
            return [dict(zip(chosen.columns, row, strict=True)) for row in reader.read(read)]
        except FilterError as error:
            raise click.UsageError(filter_sentence(error, sorted(chosen.fields()))) from error


def filter_sentence(error: FilterError, known: list[str]) -> str:
    """What is wrong with a filter and what would be right."""
    if error.reason == "unknown_field":
        text = _("filter: there is no field {word!r} (position {at}); fields: {known}")
    elif error.reason == "not_a_number":
        text = _("filter: {word!r} is no number (position {at})")
    else:
        text = _("filter: the quotation mark at position {at} is not closed")
    return text.format(word=error.word, at=error.position + 1, known=", ".join(known))


def listed(chosen: Listing) -> words.Decorator:
    """FILTER, --sort, --reverse, --json and the global options, with completion of the columns."""
    columns = [name for name in (*chosen.columns, *chosen.aliases) if name not in ("rank", "history")]

    def complete(_context: click.Context, _parameter: click.Parameter, begun: str) -> list[CompletionItem]:
        return [CompletionItem(name) for name in columns if name.startswith(begun)]

    def decorate(command: words.Handler) -> words.Handler:
        command = json_option(global_options(command))
        command = words.option("--reverse", is_flag=True, help="descending")(command)
        command = words.option("--sort", default="", help="column to sort by", shell_complete=complete)(command)
        return click.argument("filter_text", metavar="[FILTER]", default="", required=False)(command)

    return decorate


def at_option(command: words.Handler) -> words.Handler:
    """--at: how things stood at a moment, as far as it was stored."""
    return words.option("--at", default="", help="as it was: 90min or 2d ago, 14:02, or a date with a time")(command)


def read_moment(at: str) -> past.Moment | None:
    """The moment somebody asked for, None for now. Raises a usage error for what is no time, or not yet."""
    if not at:
        return None
    now = now_ms()
    at_ms = since_ms(at, now)
    if at_ms > now:
        raise click.UsageError(_("--at is in the future: only what was stored can be shown"))
    with opened() as reader:
        then: past.Moment = reader.read(lambda cx: past.read(cx, at_ms))
    say(_("as it was at {time}; what was not stored is –").format(time=texts.moment(at_ms)))
    return then


def complete_key(chosen: Listing) -> Any:
    """Completion of a list's keys from the store; without a store there is nothing to offer."""

    def complete(context: click.Context, _parameter: click.Parameter, begun: str) -> list[CompletionItem]:
        try:
            with context.scope(cleanup=False), opened() as reader:  # click completes outside of any command
                keys = reader.read(lambda cx: ids(cx, chosen))
        except (StoreError, ConfigError, OSError):
            return []
        return [CompletionItem(key) for key in keys if key.startswith(begun)][:OFFERED]

    return complete
