"""The kinds of lists: what each reads, how it looks, how it is sorted at first. Holds no rule of its own."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Final, Protocol

from console.tui import config_boards, present, present_lists, rollout_boards
from console.tui.feed import Feed
from console.tui.line_table import TableSource
from console.tui.table_columns import Cells, Column
from local_store.views import alerts, calls, configs, listing, nodes, outbox, past, rollouts, sensors
from local_store.views.listing import Listing


@dataclass(frozen=True, slots=True)
class Kind:
    """One kind of list; `listing` is None where the rows are no table of the store, `then` where it has no past."""

    listing: Listing | None
    then: Listing | None
    columns: Callable[[], list[Column]]
    cells: Callable[[Mapping[str, Any], int, bool], Cells]
    sort: str
    descending: bool = False


KINDS: Final[Mapping[str, Kind]] = {
    "nodes": Kind(nodes.NODES, past.NODES_THEN, present.node_columns, present.node_cells, "rank"),
    "sensors": Kind(
        sensors.SENSORS, past.SENSORS_THEN, present.sensor_columns, present.sensor_cells, "fill", descending=True
    ),
    "alerts": Kind(
        alerts.OPEN_ALERTS,
        past.ALERTS_THEN,
        present_lists.alert_columns,
        present_lists.alert_cells,
        "opened",
        descending=True,
    ),
    "outbox": Kind(
        outbox.OUTBOX, None, present_lists.outbox_columns, present_lists.outbox_cells, "asked", descending=True
    ),
    "rollouts": Kind(rollouts.ROLLOUTS, None, rollout_boards.columns, rollout_boards.cells, "created", descending=True),
    "configs": Kind(configs.CONFIGS, None, config_boards.columns, config_boards.cells, "rank", descending=True),
    "calls": Kind(None, None, present_lists.call_columns, present_lists.call_cells, "at_ms", descending=True),
}


class RowSource(TableSource, Protocol):
    """A TableSource that gives whole rows too, for copying, exporting and acting on them."""

    def raw(self, keys: Sequence[str]) -> dict[str, dict[str, Any]]:
        """Rows by column name."""


class ListSource:
    """A TableSource over one of the store's lists."""

    def __init__(self, feed: Feed, kind: Kind, of: Listing, ascii_only: bool) -> None:
        self._feed = feed
        self._kind = kind
        self._listing = of
        self._ascii = ascii_only
        self.columns: Sequence[Column] = kind.columns()

    def order(self, filter_text: str, sort: str, descending: bool) -> list[str]:
        """Keys in order. Raises FilterError."""
        shown, given = self._shown()
        return self._feed.read(lambda cx: listing.ids(cx, shown, filter_text, sort, descending, given))

    def _shown(self) -> tuple[Listing, tuple[object, ...]]:
        """The list now, or as it was at the moment that is shown."""
        then = self._feed.then
        if then is None or self._kind.then is None:
            return self._listing, ()
        return self._kind.then, then.given(self._kind.then)

    def raw(self, keys: Sequence[str]) -> dict[str, dict[str, Any]]:
        """Rows by column name."""
        shown, given = self._shown()
        found = self._feed.read(lambda cx: listing.rows(cx, shown, keys, given))
        return {key: dict(zip(shown.columns, row, strict=True)) for key, row in found.items()}

    def cells(self, keys: Sequence[str]) -> dict[str, Cells]:
        """What to draw."""
        if not keys:
            return {}
        now = self._feed.clock_ms() if self._kind.then is None else self._feed.now_ms()
        return {key: self._kind.cells(row, now, self._ascii) for key, row in self.raw(keys).items()}


class CallSource:
    """The real calls. One never changes, so what was read for the order is all there is to draw."""

    def __init__(self, feed: Feed, kind: Kind, ascii_only: bool) -> None:
        self._feed = feed
        self._kind = kind
        self._ascii = ascii_only
        self._rows: dict[str, dict[str, Any]] = {}
        self.columns: Sequence[Column] = kind.columns()

    def order(self, filter_text: str, sort: str, descending: bool) -> list[str]:
        """Keys of the newest calls in order. Raises FilterError."""
        found = self._feed.read(lambda cx: calls.recent(cx, filter_text))
        self._rows = {one.key: asdict(one) for one in found}
        name = sort if sort in calls.Call.__slots__ else "at_ms"
        return sorted(self._rows, key=lambda key: self._rows[key][name], reverse=descending)

    def raw(self, keys: Sequence[str]) -> dict[str, dict[str, Any]]:
        """Rows by column name."""
        return {key: self._rows[key] for key in keys if key in self._rows}

    def cells(self, keys: Sequence[str]) -> dict[str, Cells]:
        """What to draw."""
        now = self._feed.clock_ms()
        return {key: self._kind.cells(row, now, self._ascii) for key, row in self.raw(keys).items()}


def source(feed: Feed, name: str, ascii_only: bool) -> RowSource:
    """Where the rows of a list come from."""
    kind = KINDS[name]
    if kind.listing is None:
        return CallSource(feed, kind, ascii_only)
    return ListSource(feed, kind, kind.listing, ascii_only)
