"""What can be wrong with a store, each as one sentence for its user."""

from __future__ import annotations


class StoreError(Exception):
    """The store cannot be used as asked; the text says which file, what was found and what to do."""


class StoreNewer(StoreError):
    """The files were written by a newer Leitstand."""


class StoreBusy(StoreError):
    """Another engine holds this store."""


class StoreDamaged(StoreError):
    """A file is no readable store: truncated, foreign, or its key does not fit."""


class StoreFull(StoreError):
    """The disk's reserve is reached: telemetry is refused so that operations stay writable."""


class StoreRefused(StoreError):
    """A change that may not be made: the row is not there, not open, or its writer has no right to it."""
