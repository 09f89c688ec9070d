"""One node's change of configuration, from the look before to the confirmation after. Speaks to it by capability."""

from __future__ import annotations

from collections.abc import Mapping

from device_drivers.capabilities import TakesConfiguration
from device_drivers.errors import Unreachable
from mesh_mgmt.config_text import normalised
from mesh_mgmt.uci_change import Key, commands, overlay, unmeant
from mesh_mgmt.uci_text import Value, digest, parse, show


class NotChanged(Exception):
    """A change ended without its effect; the sentence says how the node is now."""


def running(node_id: str, node: TakesConfiguration) -> str:
    """The whole running configuration in its one spelling. Raises Unreachable when it broke off, or NotStored."""
    found = node.read_config()
    if not found.complete:
        raise Unreachable(node_id, "its configuration broke off while it was read")
    return normalised(found.text, "uci")


def apply_to(
    node_id: str, node: TakesConfiguration, op_id: str, base: str, target: str, revert_after_s: int
) -> Mapping[str, object]:
    """Probe, stage, compare what the node says with what was wanted, apply; returns what shows it.

    `base` names the only configuration that may be replaced; `target` is the wanted one. Raises NotChanged.
    """
    waiting = node.pending_config()
    if waiting == op_id:
        return {"probe": "already applied, waits for confirmation"}
    text = running(node_id, node)
    if text == target:
        return {"probe": "already as intended"}
    if waiting is not None:
        raise NotChanged(
            f"another change waits for confirmation there ({waiting}): wait until it went back or was kept"
        )
    if digest(text) != base:
        raise NotChanged(
            "its configuration is not the one the difference was shown against: read it again and look at the new one"
        )
    wanted = commands(parse(text), parse(target))
    wrong = unmeant(wanted, node.stage_config(op_id, wanted))
    if wrong:
        node.revert_config(op_id)
        raise NotChanged("the node would not change what was wanted, nothing was applied: " + "; ".join(wrong[:5]))
    node.apply_config(op_id, revert_after_s)
    return {"changes": len(wanted), "from": base, "to": digest(target)}


def confirm_on(node_id: str, node: TakesConfiguration, op_id: str, base: str, target: str) -> str:
    """Keep what the node runs if it is what was intended (by digest); returns it. Raises NotChanged."""
    waiting, text = node.pending_config(), running(node_id, node)
    if waiting == op_id:
        if digest(text) != target:
            node.revert_config(op_id)
            raise NotChanged("it runs something else than what was intended, and was told to go back")
        node.confirm_config(op_id)
        text = running(node_id, node)
    if digest(text) == base:
        raise NotChanged("it went back by itself: the change was never confirmed in time, it runs as before")
    if digest(text) != target:
        raise NotChanged("it runs neither the old nor the intended configuration: somebody else changed it")
    return text


def laid_over(text: str, wanted: Mapping[Key, Value | None]) -> str:
    """A configuration with what is wanted laid over it, in its one spelling. Raises NotPossible."""
    return show(overlay(parse(text), wanted))
