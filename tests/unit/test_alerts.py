"""Alerts: opened once, acknowledged with reason and end, closed by recovery, never without a history."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path

import pytest

from local_store import alerts
from local_store.db import Store
from local_store.errors import StoreRefused
from local_store.keys import store_key
from local_store.records import Alert, AlertKey
from tests.journeys.processes import run

KEY = AlertKey("node", "ge-bue-0412", "down")


def opened(store: Store, now_ms: int = 1, severity: str = "warning") -> alerts.Opened:
    return store.ops.write(lambda cx: alerts.open_alert(cx, KEY, severity, '{"lost":3}', now_ms))


def history(store: Store, alert_id: int) -> list[str]:
    return [event.what for event in store.read(lambda cx: alerts.alert_history(cx, alert_id))]


def current(store: Store, alert_id: int) -> Alert:
    alert = store.read(lambda cx: alerts.get_alert(cx, alert_id))
    assert alert is not None
    return alert


def test_an_alert_opens_once_and_may_come_back_after_recovery(store: Store) -> None:
    first = opened(store)
    assert first.is_new
    assert opened(store, 2) == (first.alert_id, False)
    assert store.ops.write(lambda cx: alerts.close_alert(cx, KEY, 3, "answers again")) == first.alert_id
    assert store.ops.write(lambda cx: alerts.close_alert(cx, KEY, 4)) is None
    second = opened(store, 5)
    assert second.is_new
    assert second.alert_id != first.alert_id
    assert history(store, first.alert_id) == ["opened", "closed"]
    assert [alert.alert_id for alert in store.read(alerts.open_alerts)] == [second.alert_id]


def test_an_acknowledgement_ends_by_itself(store: Store) -> None:
    alert_id = opened(store).alert_id
    store.ops.write(lambda cx: alerts.acknowledge(cx, alert_id, "mk", "on my way", until_ms=100, now_ms=10))
    assert current(store, alert_id).acked_by == "mk"
    assert store.ops.write(lambda cx: alerts.expire_acks(cx, 99)) == []
    assert store.ops.write(lambda cx: alerts.expire_acks(cx, 100)) == [alert_id]
    assert store.ops.write(lambda cx: alerts.expire_acks(cx, 100)) == []
    assert current(store, alert_id).acked_by is None
    assert history(store, alert_id) == ["opened", "acked", "ack_expired"]


def test_worse_ends_an_acknowledgement_better_does_not(store: Store) -> None:
    alert_id = opened(store, severity="critical").alert_id
    store.ops.write(lambda cx: alerts.acknowledge(cx, alert_id, "mk", "known", until_ms=100, now_ms=10))
    store.ops.write(lambda cx: alerts.change(cx, alert_id, "warning", "{}", 11))
    assert current(store, alert_id).acked_by == "mk"
    store.ops.write(lambda cx: alerts.change(cx, alert_id, "critical", "{}", 12))
    assert current(store, alert_id).acked_by is None
    assert history(store, alert_id) == ["opened", "acked", "severity", "severity", "ack_expired"]


def test_new_facts_alone_make_no_history(store: Store) -> None:
    alert_id = opened(store).alert_id
    store.ops.write(lambda cx: alerts.change(cx, alert_id, "warning", '{"lost":4}', 2))
    assert current(store, alert_id).detail == '{"lost":4}'
    assert history(store, alert_id) == ["opened"]


@pytest.mark.parametrize(
    ("number", "reason", "until_ms", "sentence"),
    [(99, "x", 100, "does not exist"), (1, "  ", 100, "needs a reason"), (1, "x", 10, "end before it starts")],
)
def test_an_acknowledgement_that_says_nothing_is_refused(
    store: Store, number: int, reason: str, until_ms: int, sentence: str
) -> None:
    assert opened(store).alert_id == 1
    with pytest.raises(StoreRefused, match=sentence):
        store.ops.write(lambda cx: alerts.acknowledge(cx, number, "mk", reason, until_ms=until_ms, now_ms=10))


def test_a_closed_alert_cannot_be_acknowledged(store: Store) -> None:
    alert_id = opened(store).alert_id
    store.ops.write(lambda cx: alerts.close_alert(cx, KEY, 2))
    with pytest.raises(StoreRefused, match="closed already"):
        store.ops.write(lambda cx: alerts.acknowledge(cx, alert_id, "mk", "x", until_ms=100, now_ms=10))


def test_the_list_says_what_is_closed_and_until_when_somebody_looks_after_it(tmp_path: Path) -> None:
    store = Store(tmp_path, store_key(tmp_path, "file").raw)
    opened(store)
    store.ops.write(lambda cx: alerts.close_alert(cx, KEY, 3))
    again = opened(store, 5).alert_id
    until_ms = round(datetime(2099, 3, 1, 14, 2).astimezone().timestamp() * 1000)
    store.ops.write(lambda cx: alerts.acknowledge(cx, again, "mk", "on my way", until_ms=until_ms, now_ms=10))
    store.close()
    head, first, second = run("alerts", "list", "--all", "--store", str(tmp_path)).stdout.splitlines()
    assert "CLOSED" in head
    assert first.endswith("–  mk: on my way, until 2099-03-01 14:02:00")
    assert second.split()[-2:] == ["d", "–"], "days ago, and acknowledged by nobody"
    assert "CLOSED" not in run("alerts", "list", "--store", str(tmp_path)).stdout
