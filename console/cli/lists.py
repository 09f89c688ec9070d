"""What all lists share: the filter, the order, the rows, and words for a filter nobody can understand."""

from __future__ import annotations

from typing import Any

import click
from click.shell_completion import CompletionItem

from console.cli import words
from console.cli.context import global_options, json_option, opened
from console.errors import ConfigError
from console.texts import _
from local_store.errors import StoreError
from local_store.filter import FilterError
from local_store.views.listing import Listing, ids, rows

PAGE = 500
OFFERED = 100


def read_list(chosen: Listing, text: str, sort: str, descending: bool) -> list[dict[str, Any]]:
    """Rows of a list as of one moment; a filter or order that cannot be understood is a usage error."""
    order = chosen.aliases.get(sort, sort)
    if order and order not in chosen.columns:
        known = ", ".join(sorted(chosen.columns))
        raise click.UsageError(
            _("there is no column {word!r} to sort by; columns: {known}").format(word=sort, known=known)
        )

    def read(cx: Any) -> list[tuple[object, ...]]:
        keys = ids(cx, chosen, text, order, descending)
        found: dict[str, tuple[object, ...]] = {}
        for at in range(0, len(keys), PAGE):
            found |= rows(cx, chosen, keys[at : at + PAGE])
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
