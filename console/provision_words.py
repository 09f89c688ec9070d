"""Words for setting up new nodes: steps, how they stand, what an acceptance looked at. Pure."""

from __future__ import annotations

from console.texts import _


def step(name: str) -> str:
    """A step in words."""
    return {
        "contact": _("contact"),
        "keys": _("our key"),
        "configure": _("configuration"),
        "identity": _("identity"),
        "inventory": _("inventory"),
        "accept": _("acceptance"),
        "protocol": _("protocol"),
        "reach": _("registration"),
    }.get(name, name)


def step_state(state: str) -> str:
    """How a step stands, in words."""
    return {
        "waiting": _("waiting"),
        "started": _("under way"),
        "done": _("done"),
        "failed": _("failed"),
        "asks": _("asks"),
    }.get(state, state)


def run_state(state: str) -> str:
    """How a whole run stands, in words."""
    known = {"running": _("not done yet"), "done": _("done"), "failed": _("failed"), "aborted": _("aborted")}
    return known.get(state, state)


def item(name: str) -> str:
    """What an acceptance looks at; behind neighbours stands their band."""
    head, _space, band = name.partition(" ")
    known = {"neighbours": _("neighbours"), "throughput": _("throughput"), "position": _("position")}
    return f"{known.get(head, head)} {band}".rstrip()


def value(text: str) -> str:
    """What was expected or found, where it is a word."""
    return {"known": _("known"), "unknown": _("unknown"), "not measured": _("not measured")}.get(text, text)
