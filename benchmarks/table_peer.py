"""The peer of the node list: Textual's own `DataTable` over the same store, with the same columns and changes."""

from __future__ import annotations

import sys
from pathlib import Path

from textual.app import App, ComposeResult
from textual.widgets import DataTable

from console import texts
from console.clock import now_ms
from console.tui import lists
from console.tui.feed import Feed
from console.tui.table_columns import fitting
from tests.conftest import KEY

LOOK_S = 0.1
STEP = 7919
"""The changes visit the rows in the same order as those of `benchmarks.screen`."""


class Peer(App[None]):
    """Every row is handed over once, then each changed cell by `update_cell`, as its documentation shows."""

    CSS = "DataTable > .datatable--cursor { text-style: reverse; }"

    def __init__(self, store: Path, changes_per_s: int) -> None:
        super().__init__()
        self.feed = Feed(store, KEY, now_ms)
        self.source = lists.source(self.feed, "nodes", False)
        self.shown = fitting(list(self.source.columns), 80)
        self.batch = int(changes_per_s * LOOK_S)
        self.keys: list[str] = []
        self.at = 0

    def compose(self) -> ComposeResult:
        """Nothing but the table."""
        yield DataTable(cursor_type="row")

    def on_mount(self) -> None:
        """Fill it and begin to change it."""
        table = self.query_one(DataTable)
        for column in self.shown:
            table.add_column(column.title, width=column.width, key=column.name)
        names = [column.name for column in self.source.columns]
        places = [names.index(column.name) for column in self.shown]
        self.keys = self.source.order("", "node", False)
        found = {}
        for at in range(0, len(self.keys), 500):
            found |= self.source.cells(self.keys[at : at + 500])
        for key in self.keys:
            table.add_row(*(found[key][place][0] for place in places), key=key)
        table.focus()
        self.set_interval(LOOK_S, self.change)

    def change(self) -> None:
        """Two cells of each row of the next batch."""
        table, now = self.query_one(DataTable), now_ms()
        for _ in range(self.batch):
            self.at = (self.at + STEP) % len(self.keys)
            table.update_cell(self.keys[self.at], "rtt", f"{now % 997 / 10:>6.1f} ms")
            table.update_cell(self.keys[self.at], "seen", "0 s")


if __name__ == "__main__":
    texts.set_language("en")
    Peer(Path(sys.argv[1]), int(sys.argv[2])).run()
