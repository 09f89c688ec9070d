"""How a person last left each view, and views kept by name (`ops.db`). Taste, not operations: no gate, no audit."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, Final

from local_store.sqlite import Connection

SAVED: Final = "saved"
"""The view under which named ones are kept, each name a key."""


def read(cx: Connection, view: str) -> dict[str, Any]:
    """Everything kept for one view."""
    rows = cx.execute("SELECT key, value FROM main.view_setting WHERE view = ? ORDER BY key", (view,))
    return {str(key): json.loads(value) for key, value in rows}


def keep(cx: Connection, view: str, values: Mapping[str, Any]) -> None:
    """Keep these; what else is kept for the view stays."""
    cx.executemany(
        "INSERT INTO view_setting (view, key, value) VALUES (?, ?, ?)"
        " ON CONFLICT (view, key) DO UPDATE SET value = excluded.value",
        [(view, key, json.dumps(value, ensure_ascii=False)) for key, value in values.items()],
    )


def forget(cx: Connection, view: str, key: str) -> bool:
    """Drop one; False when it was not there."""
    return bool(cx.execute("DELETE FROM view_setting WHERE view = ? AND key = ?", (view, key)).rowcount)
