"""The screens of configurations: the list with its rules, one node's difference and versions. They change nothing."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from textual.binding import Binding, BindingType

from console.texts import _
from console.tui import config_boards
from console.tui.lines import Line
from console.tui.list_place import ListPlace
from console.tui.screens import BoardPlace, Keys
from local_store.views import configs


class ConfigList(ListPlace):
    """Every node's configuration."""

    KIND = "configs"
    HAS_PAST = False

    def list_title(self) -> str:
        """The list's name."""
        return _("Configurations")

    def head(self) -> str:
        """They belong to the network."""
        return _("Net")

    def when_empty(self) -> str:
        """Every node has a row, read or not."""
        return _("no nodes yet: `leitstand nodes import nodes.csv` brings them; with a login in [ssh.default] each is "
                 "read once a day")  # fmt: skip

    def target(self, row: Mapping[str, Any]) -> str:
        """Its page."""
        return f"config:{row['node']}"

    def command(self, key: str | None) -> str:
        """The same in words."""
        return f"leitstand config history {key}" if key else "leitstand config drift"


class ConfigPlace(BoardPlace):
    """One node's configuration."""

    HAS_PAST = False
    BINDINGS: ClassVar[list[BindingType]] = [Binding("y", "copy", show=False)]

    def __init__(self, node_id: str) -> None:
        super().__init__()
        self.node_id = node_id

    def crumbs(self) -> str:
        """Where this is."""
        return f"{_('Net')} › {_('Configurations')} › {self.node_id}"

    def keys(self) -> Keys:
        """Nothing is changed here."""
        return (("y", _("copy")), ("Esc", _("back")), ("?", _("help")))

    def build(self, width: int) -> list[Line]:
        """Difference, rules, versions."""
        app = self.console_app
        found = app.feed.read(lambda cx: configs.page(cx, self.node_id))
        return config_boards.page(found, self.now_ms, width, app.ascii_only)

    def action_copy(self) -> None:
        """The command that brings the node to what is intended, difference first."""
        self.console_app.copy(f"leitstand config push {self.node_id} --dry-run")
