"""The commands about the store itself."""

from __future__ import annotations

from console import texts
from console.cli import words
from console.cli.context import global_options, json_option, opened
from console.cli.render import emit, facts
from console.texts import _


@words.group()
def store() -> None:
    """The store: two files with everything in them."""


@store.command("stats")
@json_option
@global_options
def store_stats(as_json: bool) -> None:
    """How much is in it. Example: leitstand store stats --json"""
    from local_store.views.console_health import stats

    with opened() as reader:
        found = reader.read(stats)
    if as_json:
        emit([found])
        return
    samples = sum(value for name, value in found.items() if name.endswith("_samples"))
    facts(
        [
            (_("nodes"), texts.number(found["nodes"])),
            (_("sensors"), texts.number(found["sensors"])),
            (_("series"), texts.number(found["series"])),
            (_("measurements"), texts.number(samples)),
            (_("not yet compressed"), texts.number(found["tail_samples"])),
            (_("open alerts"), texts.number(found["alerts_open"])),
            (_("quarantine"), texts.number(found["quarantine"])),
            (_("waiting for the engine"), texts.number(found["intents_queued"])),
            ("ops.db", texts.size(found["ops_bytes"])),
            ("telemetry.db", texts.size(found["telemetry_bytes"])),
        ]
    )
