"""The one place that chooses the SQLite library: SQLCipher where a wheel exists, else the standard module."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import sqlite3 as lib
    from sqlite3 import Connection, Cursor, Row

    ENCRYPTS = True
else:
    try:
        import sqlcipher3 as lib
        from sqlcipher3 import Connection, Cursor, Row

        ENCRYPTS = True
    except ImportError:  # no wheel for this platform: unencrypted, said aloud by doctor and the top line
        import sqlite3 as lib
        from sqlite3 import Connection, Cursor, Row

        ENCRYPTS = False

Error: type[Exception] = lib.Error
DatabaseError: type[Exception] = lib.DatabaseError
OperationalError: type[Exception] = lib.OperationalError
IntegrityError: type[Exception] = lib.IntegrityError
Value = Any

__all__ = [
    "ENCRYPTS",
    "Connection",
    "Cursor",
    "DatabaseError",
    "Error",
    "IntegrityError",
    "OperationalError",
    "Row",
    "Value",
    "lib",
]
