"""Maintenance windows by the clock on the wall, and what they silence."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from local_store.mesh_records import MaintenanceRow
from mesh_mgmt.silence import because, silenced
from mesh_mgmt.topology import Topology, dominated, immediate_dominators
from mesh_mgmt.windows import holds, is_over, next_span, spans, wrong_with
from tests.property.test_topology import meshes

HOUR_MS = 3_600_000


def window(starts: str, minutes: int, repeats: str = "", **more: int | None) -> MaintenanceRow:
    return MaintenanceRow(
        "w", "bezirk:buer", "Europe/Berlin", starts, minutes, repeats, more.get("until_ms"), "mast", "anna", 0, None
    )


def utc(text: str) -> int:
    return round(datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp() * 1000)


@pytest.mark.parametrize(
    ("day", "start", "end"),
    [
        ("2026-01-15", "2026-01-15T00:00", "2026-01-15T04:00"),
        ("2026-03-29", "2026-03-29T00:00", "2026-03-29T03:00"),  # clocks go forward: an hour less
        ("2026-10-25", "2026-10-24T23:00", "2026-10-25T04:00"),  # and back: an hour more
    ],
)
def test_a_nightly_window_follows_the_clock_on_the_wall(day: str, start: str, end: str) -> None:
    nightly = window("2025-11-03T01:00", 240, "daily")
    (span,) = [one for one in spans(nightly, utc(f"{day}T02:00")) if one.start_ms == utc(start)]
    assert span.end_ms == utc(end)
    assert holds(nightly, utc(start))
    assert not holds(nightly, utc(start) - 1)
    assert not holds(nightly, utc(end))
    assert holds(nightly, utc(end) - 1)


def test_an_hour_that_exists_twice_is_silenced_twice() -> None:
    night = window("2026-10-25T02:00", 59)
    assert holds(night, utc("2026-10-25T00:30"))
    assert holds(night, utc("2026-10-25T01:30"))


def test_an_hour_that_does_not_exist_still_gives_a_window() -> None:
    night = window("2026-03-29T02:15", 60)
    assert [one.end_ms > one.start_ms for one in spans(night, utc("2026-03-29T01:00"))] == [True]


def test_weekly_windows_end_with_their_last_day() -> None:
    weekly = window("2026-05-04T10:00", 60, "weekly", until_ms=utc("2026-05-12T00:00"))
    assert holds(weekly, utc("2026-05-11T08:30"))
    assert not holds(weekly, utc("2026-05-18T08:30"))
    assert is_over(weekly, utc("2026-05-18T08:30"))
    following = next_span(weekly, utc("2026-05-06T00:00"))
    assert following is not None
    assert following.start_ms == utc("2026-05-11T08:00")


@pytest.mark.parametrize(
    ("changed", "code"),
    [({"zone": "Europe/Buer"}, "zone"), ({"starts": "tomorrow"}, "starts"), ({"minutes": 0}, "length"),
     ({"repeats": "monthly"}, "repeats"), ({"repeats": "daily", "minutes": 1440}, "overlap")],
)  # fmt: skip
def test_what_cannot_be_a_window_is_named(changed: dict[str, object], code: str) -> None:
    good = {"zone": "Europe/Berlin", "starts": "2026-01-01T00:00", "minutes": 60, "repeats": ""} | changed
    row = MaintenanceRow("w", "x", until_ms=None, reason="r", actor="a", created_ms=0, **good)  # type: ignore[arg-type]
    assert wrong_with(row) == code


@given(st.integers(utc("2025-01-01T00:00"), utc("2030-01-01T00:00")), st.integers(1, 1439))
def test_a_daily_window_holds_once_a_day_at_most(now_ms: int, minutes: int) -> None:
    daily = window("2024-12-01T02:30", minutes, "daily")
    assert sum(one.start_ms <= now_ms < one.end_ms for one in spans(daily, now_ms)) == holds(daily, now_ms)


@given(meshes(), st.data())
def test_silence_covers_exactly_the_nodes_in_operation_and_what_they_dominate(
    mesh: Topology, data: st.DataObject
) -> None:
    dominators = immediate_dominators(mesh)
    chosen = data.draw(st.sets(st.sampled_from(sorted(mesh.links_of)), max_size=4))
    behind = dominated(dominators)
    expected = chosen.union(*(behind.get(node, frozenset()) for node in chosen))
    quiet = silenced(dominators, chosen)
    assert quiet == expected
    assert because(dominators, chosen, mesh.links_of).keys() == quiet & (dominators.keys() | chosen)
