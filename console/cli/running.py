"""The commands that run something: collect, simcity, demo, the screens."""

from __future__ import annotations

import json
from pathlib import Path

import click

from console.cli import words
from console.cli.context import FINDINGS, STORE, Options, global_options, headed, options, site
from console.cli.render import emit, put, say
from console.texts import _
from local_store.errors import StoreError

GOOD_SHARE = 0.95


@words.command()
@words.option("--until-stdin-closes", is_flag=True, help="end with the process that started it")
@global_options
def collect(until_stdin_closes: bool) -> int:
    """Run the engine in the foreground. Example: leitstand collect --config leitstand.toml"""
    from console.collector import leave, run

    here = site()
    try:
        code = run(here.config, here.file, here.directory, until_stdin_closes=until_stdin_closes)
    except StoreError as error:
        say(headed(error))
        code = STORE
    leave(code)
    return code


@words.command()
@words.option("--directory", type=click.Path(path_type=Path), required=True, help="where its files go")
@words.option("--nodes", type=click.IntRange(1, 10_000), default=550, show_default=True, help="SNMP agents")
@words.option("--bins", type=click.IntRange(0, 20_000), default=800, show_default=True, help="waste containers")
@words.option("--stations", type=click.IntRange(0, 2_000), default=60, show_default=True, help="climate stations")
@words.option(
    "--interval", type=click.IntRange(1, 86_400), default=60, show_default=True, help="seconds between uplinks"
)
@words.option("--seed", type=int, default=1, show_default=True, help="another seed, another city")
@words.option(
    "--reboot", type=words.Between(1, 3600), default=12, show_default=True, help="seconds a node needs to restart"
)
@words.option("--well", is_flag=True, help="nothing goes wrong by itself")
@words.option("--embedded-broker", is_flag=True, help="our own broker even where mosquitto is installed")
@words.option("--until-stdin-closes", is_flag=True, help="end with the process that started it")
@words.option("--fault", nargs=2, metavar="KIND TARGET", help="tell a running city to do something to a node or sensor")
@global_options
def simcity(
    directory: Path,
    nodes: int,
    bins: int,
    stations: int,
    interval: int,
    seed: int,
    reboot: float,
    well: bool,
    embedded_broker: bool,
    until_stdin_closes: bool,
    fault: tuple[str, str] | None,
) -> int:
    """Run the simulated city. Example: leitstand simcity --directory city --fault down ge-bue-0002"""
    from console import compose
    from console.clock import now_ms

    if fault is not None:
        objection = compose.ask_simcity(directory, *fault)
        if objection:
            say(objection)
        return FINDINGS if objection else 0
    compose.run_simcity(
        compose.SimOptions(
            directory,
            now_ms,
            seed,
            nodes,
            bins,
            stations,
            interval,
            not well,
            embedded_broker,
            reboot_s=reboot,
            until_stdin_closes=until_stdin_closes,
        )
    )
    return 0


@words.command()
@words.option("--directory", type=click.Path(path_type=Path), default=None, help="where everything it makes goes")
@words.option("--nodes", type=click.IntRange(1, 10_000), default=550, show_default=True, help="SNMP agents")
@words.option("--seed", type=int, default=1, show_default=True, help="another seed, another city")
@words.option("--fresh", is_flag=True, help="forget what earlier demos stored")
@words.option("--headless", is_flag=True, help="no screens: watch for a while and say what was seen")
@words.option(
    "--seconds", type=words.Between(5, 86_400), default=60, show_default=True, help="how long, with --headless"
)
@words.option("--json", "as_json", is_flag=True, help="the result as one JSON object")
@words.option("--embedded-broker", is_flag=True, help="our own broker even where mosquitto is installed")
@words.option("--well", is_flag=True, help="nothing goes wrong by itself")
@global_options
def demo(
    directory: Path | None,
    nodes: int,
    seed: int,
    fresh: bool,
    headless: bool,
    seconds: float,
    as_json: bool,
    embedded_broker: bool,
    well: bool,
) -> int:
    """Start the simulated city and watch it. Example: leitstand demo --headless --seconds 60 --json"""
    import signal
    import tempfile

    import platformdirs

    from console import demo as running
    from console.cli.screen import is_screen

    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.default_int_handler)  # as Ctrl-C does, it ends what it has started
    if headless and directory is None:
        with tempfile.TemporaryDirectory(prefix="leitstand-demo-") as place:
            chosen = running.DemoOptions(Path(place), nodes, seed, False, embedded_broker, well)
            return _headless(chosen, seconds, as_json)
    place_given = directory or Path(platformdirs.user_data_dir("leitstand")) / "demo"
    chosen = running.DemoOptions(place_given, nodes, seed, fresh, embedded_broker, well)
    if headless:
        return _headless(chosen, seconds, as_json)
    if not is_screen():
        raise click.UsageError(_("the screens need a terminal; without one use `leitstand demo --headless`"))
    with running.city(chosen, lambda facts: say(_("simulated city: {facts}").format(facts=facts))) as started:
        return _screens(started.config_file)


def _headless(chosen: object, seconds: float, as_json: bool) -> int:
    from console import demo as running

    assert isinstance(chosen, running.DemoOptions)
    with running.city(chosen, lambda facts: say(_("simulated city: {facts}").format(facts=facts))) as started:
        found = running.headless(started, seconds, lambda left: say(_("watching, {left} to go").format(left=left)))
    if as_json:
        emit([found])
    else:
        put(f"{name}: {json.dumps(value)}" for name, value in found.items())
    return 0 if (found["healthy_ok"] or 0.0) > GOOD_SHARE else FINDINGS


def _screens(config_file: Path) -> int:
    from console.cli.screen import run

    return run(Options(config_file, None, options().lang))
