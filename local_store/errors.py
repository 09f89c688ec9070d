"""What can be wrong with a store, each as one sentence for its user."""

from __future__ import annotations


class StoreError(Exception):
    """The store cannot be used as asked; the text says which file, what was found and what to do."""


class StoreNewer(StoreError):
    """The files were written by a newer Leitstand."""


class StoreClosed(StoreError):
    """The store was closed while somebody still worked with it: the engine is stopping."""


class StoreBusy(StoreError):
    """Another engine holds this store."""


class LeaseLost(StoreBusy):
    """Another engine has taken this store over: whoever held it must end."""


class StoreDamaged(StoreError):
    """A file is no readable store: truncated, foreign, or its key does not fit."""


class RowDamaged(StoreDamaged):
    """One packed row does not unpack: row `number` of `table`. Everything beside it is sound."""

    def __init__(self, text: str, table: str, number: int) -> None:
        super().__init__(text)
        self.table = table
        self.number = number


class BodyDamaged(StoreDamaged):
    """One kept configuration is not what it was when it was stored. Everything beside it is sound."""


class StoreFull(StoreError):
    """The disk's reserve is reached: telemetry is refused so that operations stay writable."""


class StoreRefused(StoreError):
    """A change that may not be made: the row is not there, not open, or its writer has no right to it."""
