"""What of a configuration is stored: one spelling per maker, and never a read that broke off. Pure."""

from __future__ import annotations

import re
from typing import Final, Literal

from mesh_mgmt.uci_text import UciError, parse, show

Form = Literal["uci", "routeros", "airos"]
SMALLEST_SHARE: Final = 0.5
"""Of the lines before: a configuration that lost more than half of them was more likely cut than changed."""
_ROUTEROS_HEAD: Final = re.compile(
    r"^#.*\bby RouterOS\b.*$|^# (?:software id|model|serial number) = ?.*$", re.MULTILINE
)
_CONTINUED: Final = re.compile(r"\\\r?\n\s*")


class NotStored(ValueError):
    """A read that must not be stored, with the reason."""


def form_of(vendor: str) -> Form:
    """How a maker's nodes write their configuration."""
    name = vendor.lower()
    if "mikrotik" in name or "routeros" in name:
        return "routeros"
    return "airos" if "ubiquiti" in name or "airos" in name else "uci"


def normalised(text: str, form: Form) -> str:
    """The one spelling in which two reads of an unchanged node are equal. Raises NotStored for anything else."""
    if form == "uci":
        try:
            tree = parse(text)
        except UciError as error:
            raise NotStored(f"what the node printed is no uci text ({error})") from error
        if not tree.packages:
            raise NotStored("the node printed no package at all")
        return show(tree)
    if form == "routeros":
        # The export begins with the time of day, and its line breaks depend on the terminal (oxidized #2947).
        text = _CONTINUED.sub("", _ROUTEROS_HEAD.sub("", text.replace("\r\n", "\n")))
    lines = [line.rstrip() for line in text.replace("\r\n", "\n").split("\n")]
    if form == "airos":
        lines = sorted(line for line in lines if line)
    body = "\n".join(line for line in lines if line)
    if not body:
        raise NotStored("the node printed nothing")
    return body + "\n"


def refuse_shrunk(before: str | None, now: str) -> None:
    """Raise NotStored when more than half of the lines before are gone."""
    if before is None:
        return
    had, has = before.count("\n"), now.count("\n")
    if has < had * SMALLEST_SHARE:
        raise NotStored(
            f"it shrank from {had} to {has} lines: look at the node, then take it with `leitstand config backup "
            "--accept-smaller`"
        )
