"""Words for the configurations of nodes: how one stands against its templates, why a version was read. Pure."""

from __future__ import annotations

from console.texts import _


def verdict(code: str) -> str:
    """How a node stands."""
    return {
        "in_sync": _("in sync"),
        "pending": _("change pending"),
        "drifted": _("changed on the node"),
        "conflict": _("conflict"),
        "unmanaged": _("no template"),
        "unknown": _("never read"),
    }.get(code, code)


def cause(code: str) -> str:
    """Why a version was read."""
    return {
        "daily": _("daily backup"),
        "asked": _("asked for"),
        "notice": _("after a notice"),
        "after_push": _("after a push"),
        "accepted": _("at acceptance"),
    }.get(code, code)


def value(text: str) -> str:
    """An option's value; a masked one that differs says so in words (`mesh_mgmt/config_mask.py`)."""
    return _("*** (changed)") if text == "*** (changed)" else text


def excluded(text: str) -> str:
    """Why a push leaves a node out; what is wrong with one option is said in the driver's own words."""
    return {
        "nothing to change": _("nothing to change"),
        "no template speaks of it": _("no template speaks of it"),
        "its configuration was never read: run `leitstand config backup` first": _(
            "its configuration was never read: run `leitstand config backup` first"
        ),
    }.get(text, text)
