"""Turns a record type into the SQL that reads and writes it, once at import; names come from the code only."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import fields
from operator import attrgetter
from typing import Any


def names(record: type[Any]) -> tuple[str, ...]:
    """The record's fields, which are its table's columns."""
    return tuple(field.name for field in fields(record))


def values(record: type[Any]) -> Callable[[Any], Any]:
    """A function from a record to its tuple of values; unlike `astuple` it copies nothing."""
    return attrgetter(*names(record))


def select(table: str, record: type[Any]) -> str:
    """SELECT the record's columns in its own order, so that `record(*row)` fits."""
    return f"SELECT {', '.join(names(record))} FROM {table}"


def insert(table: str, record: type[Any]) -> str:
    """INSERT one record."""
    columns = names(record)
    marks = ", ".join("?" * len(columns))
    return f"INSERT INTO {table} ({', '.join(columns)}) VALUES ({marks})"


def upsert(table: str, record: type[Any], key: str) -> str:
    """INSERT one record, or replace all its columns where `key` is there already."""
    changes = ", ".join(f"{name} = excluded.{name}" for name in names(record) if name != key)
    return f"{insert(table, record)} ON CONFLICT ({key}) DO UPDATE SET {changes}"


def upsert_declared(table: str, record: type[Any], key: str) -> str:
    """Upsert a declared thing (`changed_ms`, `retired_ms`): an equal row stays untouched, a retired one returns.

    Parameters are the record's values and then `changed_ms`.
    """
    columns = names(record)
    changes = ", ".join(f"{name} = excluded.{name}" for name in (*columns, "changed_ms") if name != key)
    differs = " OR ".join(f"{table}.{name} IS NOT excluded.{name}" for name in columns if name != key)
    marks = ", ".join("?" * (len(columns) + 1))
    return (
        f"INSERT INTO {table} ({', '.join(columns)}, changed_ms) VALUES ({marks}) "
        f"ON CONFLICT ({key}) DO UPDATE SET {changes}, retired_ms = NULL "
        f"WHERE {differs} OR {table}.retired_ms IS NOT NULL"
    )
