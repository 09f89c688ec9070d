"""What the commands about configurations share: the templates in use, the nodes meant."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import click

from console.cli.context import site
from console.errors import ConfigError
from console.texts import _

if TYPE_CHECKING:
    from local_store.records import Node
    from mesh_mgmt.desired import Resolve
    from playbooks.configuration.policy import Policy


def policy() -> Policy:
    """Templates and rules of the configured directory. Raises ConfigError with file and line."""
    from console.configuration import directory
    from mesh_mgmt.compliance import RuleError
    from mesh_mgmt.desired import DesiredError
    from playbooks.configuration.policy import load

    here = site()
    place = directory(here.config, here.base)
    if place is not None and not place.is_dir():
        raise ConfigError(_("{path}: no such directory; [configuration] names it").format(path=place))
    try:
        return load(place)
    except (DesiredError, RuleError) as error:
        raise ConfigError(str(error)) from error


def resolver() -> Resolve:
    """How templates get their secrets."""
    from console.configuration import secrets

    return secrets(site().base)


def with_templates(work: Callable[[], Any]) -> Any:
    """Do what renders templates; a mistake in one is a ConfigError with its file and line."""
    from mesh_mgmt.desired import DesiredError

    try:
        return work()
    except DesiredError as error:
        raise ConfigError(str(error)) from error


def one_node(reader: Any, node_id: str) -> Node:
    """The inventory's row. Raises a usage error for one it does not hold."""
    from local_store.nodes import get_node

    node: Node | None = reader.read(lambda cx: get_node(cx, node_id))
    if node is None:
        text = _("there is no node {name}; `leitstand nodes list` shows them all")
        raise click.UsageError(text.format(name=node_id))
    return node


def chosen_nodes(reader: Any, node_ids: tuple[str, ...], everything: bool) -> list[Node]:
    """The named nodes, or all in service. Raises a usage error when none is meant."""
    from local_store.nodes import all_nodes

    if everything and not node_ids:
        found: list[Node] = reader.read(all_nodes)
        return found
    if not node_ids or everything:
        raise click.UsageError(_("name one or more nodes, or give --all"))
    return [one_node(reader, node_id) for node_id in dict.fromkeys(node_ids)]
