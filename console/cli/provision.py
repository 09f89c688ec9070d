"""The commands that set a new node up from a laptop at the mast; only the last step needs an uplink."""

from __future__ import annotations

import contextlib
import getpass
import json
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from console import provision_words, texts
from console.cli import words
from console.cli.context import (
    CONFIGURATION,
    FINDINGS,
    global_options,
    json_option,
    opened,
    site,
    store_exists,
    writable,
)
from console.cli.render import emit, facts, put, say, table
from console.clock import now_ms
from console.texts import _, ngettext, visible
from local_store.errors import StoreBusy, StoreRefused

if TYPE_CHECKING:
    from local_store.db import Store
    from playbooks.provisioning.job import Job

RUN = click.argument("run_id", metavar="RUN")


@words.group()
@global_options
def provision() -> None:
    """New nodes: set up, accepted and registered from the mast."""


@provision.command("start")
@click.argument("serial", metavar="[SERIAL]", default="")
@words.option("--node", "node_id", required=True, help="the id it gets in the inventory")
@words.option("--address", required=True, help="the address it will have in the network")
@words.option(
    "--role", default="mesh", show_default=True, help="gateway, uplink, mesh, hotspot, lorawan_gateway, other"
)
@words.option("--site", "place", default="", help="where it hangs")
@words.option("--district", default="", help="its district")
@words.option("--name", default="", help="its name, if it has one beside its id")
@words.option("--uplink", default="", help="the node its traffic goes through")
@words.option("--model", default="", help="its model; the node's own word otherwise")
@words.option("--at", "position", default="", metavar="LAT,LON", help="its position in degrees")
@words.option("--host", default="192.168.1.1", show_default=True, help="its address at the service port")
@words.option("--port", default=22, show_default=True, help="its SSH port there")
@words.option(
    "--expect", multiple=True, metavar="BAND=N", help="neighbours expected on a band (2.4, 5, 6, 60, wired, lora)"
)
@words.option("--measure-to", default="", help="an iperf3 server to measure throughput to")
@words.option("--least-mbps", type=words.Between(0.0), default=None, help="throughput expected, in Mbit/s")
@words.option("--fingerprint", default="", help="trust exactly this host key (SHA256:...), without asking")
@json_option
@global_options
def provision_start(serial: str, fingerprint: str, as_json: bool, **given: Any) -> int:
    """Begin with a new node. Example: leitstand provision start SN123 --node ge-bue-0099 --address 10.20.0.99"""
    from playbooks.provisioning import runner

    with _mistakes():
        job = _job(serial or _scanned(), given)
    with writable(create=True) as store, _alone(store):
        with _mistakes():
            run_id = store.ops.write(lambda cx: runner.create(cx, job, getpass.getuser(), now_ms()))
        say(_("run {run} sets up {node}").format(run=run_id, node=job.node_id))
        return _go_on(store, run_id, fingerprint, as_json)


def _scanned() -> str:
    """A scanner types like a keyboard and ends with Enter."""
    if not sys.stdin.isatty():
        raise click.UsageError(_("give the serial number, or scan it at a terminal"))
    return str(click.prompt(_("Serial number (scan or type)"), err=True))


@contextlib.contextmanager
def _mistakes() -> Iterator[None]:
    """What a person typed wrong is a usage error."""
    from playbooks.provisioning.job import JobError

    try:
        yield
    except JobError as error:
        raise click.UsageError(str(error)) from error


@contextlib.contextmanager
def _alone(store: Store) -> Iterator[None]:
    """An engine on this store goes on with open runs by itself, as another command does: two must not work on one
    node."""
    from local_store import lease
    from playbooks.provisioning import runner

    if lease.is_held(site().directory):
        raise StoreBusy(_("an engine is running on this store and would do the same work: stop it, then begin"))
    with runner.alone(store) as mine:
        if not mine:
            raise StoreBusy(_("another command sets up a node with this store: let it end, then begin"))
        yield


def _job(serial: str, given: dict[str, Any]) -> Job:
    from playbooks.provisioning.job import Job, checked, serial_of

    expected: dict[str, int] = {}
    for text in given["expect"]:
        band, _sign, count = text.partition("=")
        if not count.isdigit():
            raise click.UsageError(_("--expect {text}: BAND=N is expected, as in 5=2").format(text=text))
        expected[band] = int(count)
    lat, lon = _position(given["position"])
    names = (
        "node_id",
        "address",
        "role",
        "district",
        "name",
        "uplink",
        "model",
        "host",
        "port",
        "measure_to",
        "least_mbps",
    )
    return checked(
        Job(serial_of(serial), site=given["place"], expected=expected, lat=lat, lon=lon,
            **{name: given[name] for name in names})
    )  # fmt: skip


def _position(text: str) -> tuple[float | None, float | None]:
    if not text:
        return None, None
    try:
        lat, lon = (float(part) for part in text.split(","))
    except ValueError as error:
        raise click.UsageError(_("--at {text}: LAT,LON is expected, as in 51.5167,7.1000").format(text=text)) from error
    return lat, lon


def _go_on(store: Any, run_id: str, fingerprint: str, as_json: bool) -> int:
    """Go through the run, asking the person at the terminal what it asks."""
    from console.compose import open_nodes
    from console.provisioning import ports
    from playbooks.provisioning import runner

    here = site()
    with contextlib.closing(open_nodes(here.config, here.base, store)) as access:
        means = ports(here.config, here.base, store, access, now_ms, threading.Event())
        while True:
            run = store.read(lambda cx: runner.find(cx, run_id))
            end = runner.go_on(means, run, lambda step: _tell(step, as_json))
            if end == "asks" and _answered(store, run_id, fingerprint):
                continue
            break
    closing = {
        "done": _("{run}: done; `leitstand provision protocol {run}` shows the protocol"),
        "open": _("{run}: only the registration is open; `leitstand provision resume {run}` tries it with an uplink"),
        "asks": _("{run}: waits for an answer; `leitstand provision resume {run}` asks again"),
        "failed": _("{run}: stopped; `leitstand provision resume {run}` goes on where it stopped"),
        "closed": _("{run}: given up"),
    }
    say(closing.get(end, closing["failed"]).format(run=run_id))
    return 0 if end in ("done", "open") else FINDINGS


def _tell(step: Any, as_json: bool) -> None:
    evidence = json.loads(step.evidence)
    if as_json:
        emit([{"step": step.name, "state": step.state, "evidence": evidence}])
        return
    say(
        f"{provision_words.step(step.name)}: {provision_words.step_state(step.state)}"
        + (f": {evidence['why']}" if "why" in evidence else "")
    )
    for item in evidence.get("items", ()):
        mark = {True: "●", False: "✖", None: "–"}[item["passed"]]
        name, expected, found = provision_words.item(item["name"]), item["expected"], item["found"]
        row = f"{visible(name):18} {provision_words.value(expected):>14} {provision_words.value(visible(found)):>18}"
        put([f"  {mark} {row}"])


def _answered(store: Any, run_id: str, fingerprint: str) -> bool:
    """Put the question of the step that asks; whether to go on."""
    from local_store import journal
    from playbooks.provisioning import runner

    row = next(row for row in store.read(lambda cx: journal.steps_of(cx, run_id)) if row.state == "asks")
    evidence = json.loads(row.evidence)
    reason = ""
    if evidence["question"] == "host_key":
        shown = evidence["fingerprint"]
        if fingerprint and fingerprint != shown:
            say(_("it shows {shown}, not {given}: nothing was sent to it").format(shown=shown, given=fingerprint))
            return False
        if not fingerprint and not _asked(
            _("It shows the host key {key}. Is that the key on its label?").format(key=shown)
        ):
            return False
        agreed = True
    else:
        if not sys.stdin.isatty():
            return False
        agreed = not _asked(_("It falls short of what is expected. Look again?"))
        if agreed:
            reason = str(click.prompt(_("Take it all the same, because (empty: stop here)"), default="",
                                      show_default=False, err=True)).strip()  # fmt: skip
            if not reason:
                return False
    store.ops.write(lambda cx: runner.answer(cx, runner.find(cx, run_id), agreed, getpass.getuser(), reason, now_ms()))
    return True


def _asked(text: str) -> bool:
    return sys.stdin.isatty() and click.confirm(text, default=False, err=True)


@provision.command("status")
@click.argument("run_id", metavar="[RUN]", default="")
@json_option
@global_options
def provision_status(run_id: str, as_json: bool) -> None:
    """Say how far new nodes are. Example: leitstand provision status"""
    from local_store.views.provisioning import runs

    with opened() as reader:
        found = [one for one in reader.read(runs) if one.run_id.startswith(run_id)]
    if as_json:
        emit({"run": one.run_id, "node": one.node_id, "serial": one.serial, "state": one.state, "by": one.actor,
              "begun_ms": one.created_ms, "steps": dict(one.steps)} for one in found)  # fmt: skip
        return
    head = [_("RUN"), _("NODE"), _("SERIAL"), _("STATE"), _("NEXT"), _("BY"), _("SINCE")]
    rows = []
    for one in found:
        following = next(((name, state) for name, state in one.steps if state != "done"), None)
        rest = "–" if following is None else _following(*following)
        rows.append([one.run_id, one.node_id, one.serial, provision_words.run_state(one.state), rest, one.actor,
                     texts.age(one.created_ms, now_ms())])  # fmt: skip
    table(head, rows)
    say(ngettext("{n} run", "{n} runs", len(rows)).format(n=texts.number(len(rows))))


def _following(name: str, state: str) -> str:
    return f"{provision_words.step(name)} ({provision_words.step_state(state)})"


@provision.command("resume")
@RUN
@words.option("--fingerprint", default="", help="trust exactly this host key (SHA256:...), without asking")
@json_option
@global_options
def provision_resume(run_id: str, fingerprint: str, as_json: bool) -> int:
    """Go on where it stopped; nothing is done twice. Example: leitstand provision resume 0199"""
    from playbooks.provisioning import runner

    with writable() as store, _alone(store):
        whole = store.read(lambda cx: runner.find(cx, run_id)).run_id
        return _go_on(store, whole, fingerprint, as_json)


@provision.command("abort")
@RUN
@json_option
@global_options
def provision_abort(run_id: str, as_json: bool) -> None:
    """Give a run up; what was done to the node stays. Example: leitstand provision abort 0199"""
    from local_store import journal
    from playbooks.provisioning import runner

    with writable() as store:
        whole = store.read(lambda cx: runner.find(cx, run_id)).run_id
        store.ops.write(lambda cx: journal.end_run(cx, whole, "aborted", now_ms()))
    if as_json:
        emit([{"run": whole, "state": "aborted"}])
    say(_("{run}: given up").format(run=whole))


@provision.command("protocol")
@RUN
@words.option("--out", type=words.NewFile(), default=None, help="write it to a new file")
@global_options
def provision_protocol(run_id: str, out: Path | None) -> int:
    """Print the signed protocol of an acceptance. Example: leitstand provision protocol 0199 --out abnahme.json"""
    from local_store.views.provisioning import protocol

    with opened() as reader:
        text = reader.read(lambda cx: protocol(cx, run_id))
    if text is None:
        raise StoreRefused(_("{run} has no protocol yet: its acceptance is not done").format(run=run_id))
    if out is None:
        put(text.rstrip("\n").split("\n"))
        return 0
    with out.open("x", encoding="utf-8") as file:
        file.write(text)
    say(_("written to {path}").format(path=out))
    return 0


@provision.command("verify")
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False))
@json_option
@global_options
def provision_verify(file: Path, as_json: bool) -> int:
    """Check a protocol: whole, and signed by whom. Example: leitstand provision verify abnahme.json"""
    from playbooks.provisioning.protocol import LARGEST, NoProtocol, verify

    try:
        with file.open(encoding="utf-8", errors="replace") as source:
            verdict = verify(source.read(LARGEST + 1))
    except NoProtocol as error:
        say(f"{file}: {error}")
        return CONFIGURATION
    ours = _own_key() == verdict.key
    body = verdict.body
    if as_json:
        emit([{"genuine": verdict.genuine, "key": verdict.key, "own_key": ours, "body": body}])
    elif verdict.genuine:
        accept = body.get("steps", {}).get("accept", {})
        facts([
            (_("node"), f"{body.get('node')}  {body.get('serial')}"),
            (_("site"), str(body.get("site") or "–")),
            (_("technician"), str(body.get("technician"))),
            (_("accepted"), _accepted(accept)),
            (_("signed"), texts.moment(body.get("signed_ms"))),
            (_("signed by"), verdict.key + (f" ({_('this store')})" if ours else "")),
        ])  # fmt: skip
    if not verdict.genuine:
        say(_("{path}: changed after it was signed, or never signed by the key in it").format(path=file))
        return FINDINGS
    if not ours:
        say(_("genuine, by a key this store does not know: compare it with the technician's"))
    return 0


def _accepted(found: dict[str, Any]) -> str:
    if found.get("passed"):
        return _("yes")
    return _("with a reason: {why}").format(why=found.get("reason"))


def _own_key() -> str:
    """This store's own signing key, if there is a store."""
    from local_store.keys import signing_key

    here = site()
    if not store_exists(here.directory):
        return ""
    return signing_key(here.directory, here.config.store.key, create=False).public_key().public_bytes_raw().hex()
