"""What a service of the engine says about itself, in words and human units. Pure: its counters in, styled lines out."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any, Final

from console import texts
from console.texts import N_, _
from console.tui.lines import Board, Line, Part, rule, shortened, what_fits, wrapped
from console.tui.present import glyph
from local_store.views.console_health import Health, ServiceView

ERRORS: Final = ("error", "broker_error", "blocked", "store_full", "trouble")
"""Counters that hold a sentence: why the service does not do what it should."""
QUIET: Final = frozenset(
    {"since_ms", "protocol", "session_present", "reserve_held", "wal_alarm", "port", "failures", "not_understood"}
)
"""What only the service's own page shows, or another counter tells."""
BAD: Final = frozenset(
    {"samples_dropped", "acks_dropped", "overrun", "dropped", "lost", "damaged", "without_profile", "not_understood",
     "without_keys", "unknown_engines", "quarantined", "messages_quarantined", "values_refused", "garbled"}
)  # fmt: skip
"""Counters that should be zero."""
FIRST: Final = frozenset({"per_s", "ok", "links", "messages_stored", "open", "taken"})
"""Counters that say most in a short line."""
ALWAYS: Final = frozenset({"per_s"})
"""Shown when it is zero, too: what comes and goes makes the rest of the line jump."""
RESTLESS: Final = frozenset({"in_flight", "waiting", "ssh_waiting", "decided"})
"""Stand last for the same reason."""
EPOCH_MS: Final = 1_000_000_000_000
"""A number of milliseconds above this is a moment, below it a span."""
OWN: Final[Mapping[str, Mapping[str, str]]] = {
    "poll": {"ok": N_("answers"), "failed": N_("unanswered")},
    "notify": {"received": N_("received"), "accepted": N_("taken over"), "refused": N_("refused")},
    "rollout": {"open": N_("still open"), "decided": N_("decided just now")},
}
"""Counters that one service means in a way of its own."""
WORDS: Final[Mapping[str, str]] = {
    "per_s": N_("a second"),
    "nodes": N_("nodes"),
    "ok": N_("good"),
    "failed": N_("failed"),
    "in_flight": N_("under way"),
    "skipped": N_("left out, not yet answered"),
    "ssh_waiting": N_("being asked over SSH"),
    "samples_dropped": N_("measurements lost"),
    "without_profile": N_("nodes without a login"),
    "links": N_("links"),
    "reports": N_("tables read"),
    "garbled": N_("not understood"),
    "not_understood": N_("not understood"),
    "by_ssh": N_("over SSH"),
    "odd_rows": N_("odd rows"),
    "intents": N_("requests done"),
    "refused": N_("refused"),
    "connected": N_("connected"),
    "since_ms": N_("since"),
    "protocol": N_("protocol"),
    "session_present": N_("session kept by the broker"),
    "connections": N_("times connected"),
    "waiting": N_("waiting"),
    "acks_dropped": N_("acknowledgements lost"),
    "unassured": N_("sent without assurance"),
    "messages_received": N_("received"),
    "messages_stored": N_("stored"),
    "messages_duplicate": N_("repeated"),
    "messages_quarantined": N_("in quarantine"),
    "measurements": N_("measurements"),
    "values_refused": N_("values refused"),
    "pushes": N_("pushed"),
    "running": N_("works on"),
    "taken": N_("new versions"),
    "tail_rows": N_("rows in the tail"),
    "rolled": N_("samples compressed"),
    "rolls": N_("rounds"),
    "expired": N_("rows dropped for age"),
    "wal_bytes": N_("in the logs"),
    "wal_alarm": N_("a log grows, a reader holds it"),
    "reserve_held": N_("disk reserve held"),
    "damaged": N_("damaged rows set aside"),
    "open": N_("still open"),
    "decided": N_("decided just now"),
    "unfinished": N_("jobs left in a call at the last stop"),
    "port": N_("port"),
    "received": N_("received"),
    "accepted": N_("taken over"),
    "overrun": N_("too many at once"),
    "dropped": N_("dropped"),
    "unknown_engines": N_("from unknown senders"),
    "without_keys": N_("nodes without keys"),
    "kept": N_("stored"),
    "lost": N_("lost"),
    "failures": N_("failures in a row"),
    "error": N_("error"),
    "broker_error": N_("broker"),
    "blocked": N_("held up"),
    "store_full": N_("no room"),
    "trouble": N_("trouble"),
}
NAME: Final = 19
ROOM: Final = 35
"""What state and name take of a service's line."""


def service_name(name: str) -> str:
    """What a service does, in a word or two."""
    head, _space, rest = name.partition(" ")
    known = {
        "poll": _("polling"),
        "mesh": _("mesh"),
        "ingest": _("messages"),
        "rules": _("rules"),
        "rollout": _("rollouts"),
        "calls": _("calls"),
        "upkeep": _("upkeep"),
        "backup": _("backups"),
        "configuration": _("configurations"),
        "provisioning": _("new nodes"),
        "notify": _("notices"),
    }
    return f"{known.get(head, head)} {rest}".rstrip()


def service_state(state: str) -> str:
    """The word for a service's state."""
    known = {"running": _("running"), "retrying": _("retrying"), "starting": _("starting"), "stopped": _("stopped")}
    return known.get(state, state)


def counter_word(service: str, name: str) -> str:
    """What a counter counts; one nobody has words for keeps its name, without underscores and unit."""
    kind = service.partition(" ")[0]
    return _(OWN.get(kind, {}).get(name) or WORDS.get(name, "")) or _plain(name)


def _plain(name: str) -> str:
    for unit in ("_ms", "_bytes", "_pct", "_per_s", "_s"):
        name = name.removesuffix(unit)
    return name.replace("_", " ")


def counter_value(name: str, value: object, now_ms: int) -> str:
    """How much, in units for people: never raw milliseconds or bytes."""
    if isinstance(value, bool):
        return _("yes") if value else _("no")
    if isinstance(value, Mapping):
        return texts.number(sum(one for one in value.values() if isinstance(one, int)))
    if isinstance(value, list | tuple):
        return texts.number(len(value))
    if not isinstance(value, int | float):
        return str(value)
    units: tuple[tuple[str, Callable[[float], str]], ...] = (
        ("_ms", lambda found: texts.duration((now_ms - found if found > EPOCH_MS else found) / 1000)),
        ("_bytes", texts.size),
        ("_pct", texts.percent),
        ("per_s", lambda found: texts.number(found, 1)),
        ("_s", texts.duration),
    )
    plain = texts.number(value, 0 if isinstance(value, int) else 1)
    return next((words(value) for ending, words in units if name.endswith(ending)), plain)


def as_they_are(found: Health, now_ms: int) -> list[ServiceView]:
    """The services; what an engine that is dead wrote last of them is not so any more."""
    alive = found.engine is not None and found.engine.is_fresh(now_ms)
    return [one if alive else replace(one, state="stopped") for one in found.services]


def service_line(one: ServiceView, now_ms: int, width: int, ascii_only: bool) -> list[Part | str]:
    """State, name, and as much of its counters as fits whole: half a number is a wrong one."""
    sign = {"running": "ok", "stopped": "unknown"}.get(one.state, "warning")
    state = (f"{glyph(sign, ascii_only)} {service_state(one.state):<10}", sign)
    return [" ", state, f" {shortened(service_name(one.name), NAME):<{NAME}} ", *_summary(one, now_ms, width - ROOM)]


def _summary(one: ServiceView, now_ms: int, room: int) -> list[Part | str]:
    trouble = _trouble(one)
    if trouble:
        return [(shortened(trouble, room), "warning")]
    parts = [(text + "  ", style) for text, style in _counters(one, now_ms)]
    if not parts:
        return [(_("nothing to report"), "dim")]
    return [*(what_fits(parts, room + 2) or [(shortened(parts[0][0].rstrip(), room), parts[0][1])])]


def _trouble(one: ServiceView) -> str:
    """Why it does not do what it should. An error that ended an earlier run is over once it runs again."""
    told = [one.detail.get(name) for name in ERRORS if name != "error" or one.state != "running"]
    return next((str(text) for text in told if text), "")


def _counters(one: ServiceView, now_ms: int) -> list[Part]:
    """What is not zero; first what should be zero, then what says most."""
    found: list[tuple[int, Part]] = []
    for name, value in one.detail.items():
        if name == "connected" and one.state == "stopped":
            continue
        if name == "connected":
            age = counter_value("since_ms", one.detail.get("since_ms", now_ms), now_ms)
            words = _("connected for {age}") if value else _("not connected for {age}")
            found.append((1, (words.format(age=age), "" if value else "warning")))
        elif name == "reserve_held" and value is False:
            found.append((0, (_("no disk reserve"), "warning")))
        elif name == "wal_alarm" and value:
            found.append((0, (counter_word(one.name, name), "warning")))
        elif name == "running" and value:
            found.append((1, (f"{counter_word(one.name, name)} {value}", "")))
        elif (value or name in ALWAYS) and name not in QUIET and not isinstance(value, str | bool):
            text = f"{counter_value(name, value, now_ms)} {counter_word(one.name, name)}"
            rank = 0 if name in BAD else 1 if name in FIRST else 3 if name in RESTLESS else 2
            found.append((rank, (text, "warning" if name in BAD else "")))
    return [part for _rank, part in sorted(found, key=lambda pair: pair[0])]


def service(one: ServiceView, now_ms: int, width: int, ascii_only: bool) -> list[Line]:
    """One service in full: its state, every counter, and whatever it lists."""
    sign = {"running": "ok", "stopped": "unknown"}.get(one.state, "warning")
    board = Board()
    since = f"   {_('since')} {texts.moment(one.since_ms)} ({texts.age(one.since_ms, now_ms)})"
    beat = f"   {_('beat')} {texts.age(one.beat_ms, now_ms)}"
    board.add(" ", (f"{glyph(sign, ascii_only)} {service_state(one.state)}", sign), since, (beat, "dim"))
    for name in ERRORS:
        if text := one.detail.get(name):
            style = "dim" if name == "error" and one.state == "running" else "warning"
            for row in wrapped(f"{counter_word(one.name, name)}: {text}", width - 2):
                board.add((f" {row}", style))
    board.lines.append(rule(_("Counters"), width))
    for name, value in one.detail.items():
        if name not in ERRORS and value != "" and not isinstance(value, list | tuple):
            style = "warning" if name in BAD and value else ""
            board.add(f" {counter_word(one.name, name):<30}", (f"{counter_value(name, value, now_ms):>16}", style))
    if not one.detail:
        board.add("   ", (_("it has said nothing yet"), "dim"))
    for name, value in one.detail.items():
        listed = _listed(value)
        if listed:
            board.lines.append(rule(counter_word(one.name, name), width))
        for text in listed:
            board.add(f" {text}")
    return board.lines


def _listed(value: Any) -> Sequence[str]:
    if isinstance(value, Mapping):
        return [f"{refusal(str(name))}: {count}" for name, count in value.items() if count]
    return [str(one) for one in value] if isinstance(value, list | tuple) else ()


def refusal(code: str) -> str:
    """Why a notice was not believed."""
    return {
        "unknown_engine": _("unknown sender"),
        "wrong_rights": _("wrong rights or keys"),
        "too_weak": _("weaker than agreed"),
        "too_old": _("too old"),
        "garbled": _("not understood"),
    }.get(code, code.replace("_", " "))
