"""Stored configurations: one body per content, versions only when something changed, nothing broken off is kept."""

from __future__ import annotations

import pytest

from local_store import configs
from local_store.configs import Backup, FindingRow
from local_store.db import Store
from local_store.errors import StoreDamaged, StoreRefused
from local_store.records import Node
from local_store.views.configs import CONFIGS, page
from local_store.views.listing import ids, rows
from mesh_mgmt.config_mask import difference, masked_text
from mesh_mgmt.config_text import NotStored, form_of, normalised, refuse_shrunk

ONE = "package network\n\nconfig interface 'lan'\n\toption proto 'static'\n\n"


def backup(store: Store, text: str, now_ms: int) -> Backup | None:
    return store.ops.write(lambda cx: configs.add_backup(cx, "n1", text, "uci", cause="daily", actor="", now_ms=now_ms))


def test_a_version_is_kept_only_when_it_is_new(store: Store) -> None:
    first = backup(store, ONE, 10)
    assert first is not None
    assert backup(store, ONE, 20) is None
    second = backup(store, ONE + ONE, 30)
    assert second is not None
    assert backup(store, ONE, 40) is not None
    versions = store.read(lambda cx: configs.history(cx, "n1"))
    assert [one.taken_ms for one in versions] == [40, 30, 10]
    assert versions[0].sha256 == versions[2].sha256
    assert store.read(lambda cx: configs.body(cx, first.sha256)) == ONE
    assert store.ops.maintain("SELECT count(*) FROM config_body") == [(2,)]


def test_a_failed_look_keeps_the_last_good_one(store: Store) -> None:
    backup(store, ONE, 10)
    store.ops.write(lambda cx: configs.look(cx, "n1", 20, "no answer"))
    look = store.read(lambda cx: configs.get_look(cx, "n1"))
    assert look is not None
    assert (look.tried_ms, look.read_ms, look.failure) == (20, 10, "no answer")
    backup(store, ONE, 30)
    look = store.read(lambda cx: configs.get_look(cx, "n1"))
    assert look is not None
    assert (look.read_ms, look.failure) == (30, "")


def test_a_body_that_is_not_what_it_was_is_refused(store: Store) -> None:
    kept = backup(store, ONE, 10)
    assert kept is not None
    other = store.ops.write(lambda cx: configs.put_body(cx, "other\n"))
    store.ops.write(
        lambda cx: cx.execute(
            "UPDATE config_body SET body = (SELECT body FROM config_body WHERE sha256 = ?) WHERE sha256 = ?",
            (other, kept.sha256),
        )
    )
    with pytest.raises(StoreDamaged, match="not what it was"):
        store.read(lambda cx: configs.body(cx, kept.sha256))
    with pytest.raises(StoreRefused, match="no configuration"):
        store.read(lambda cx: configs.body(cx, "0" * 64))


def test_findings_keep_since_when(store: Store) -> None:
    def judge(outcome: str, now_ms: int) -> list[FindingRow]:
        row = FindingRow("n1", "r1", outcome, "critical", "t", "a.b.c", "x", 0)
        store.ops.write(lambda cx: configs.judge(cx, "n1", "drifted", "[]", [row], now_ms))
        return store.read(lambda cx: configs.findings(cx, "n1"))

    store.ops.write(lambda cx: configs.look(cx, "n1", 1, ""))
    assert [judge("fail", at)[0].since_ms for at in (10, 20)] == [10, 10]
    assert judge("pass", 30)[0].since_ms == 30
    assert store.read(lambda cx: configs.findings(cx, failing_only=True)) == []
    look = store.read(lambda cx: configs.get_look(cx, "n1"))
    assert look is not None
    assert (look.verdict, look.failing, look.judged_ms) == ("drifted", 0, 30)


def test_exceptions_have_a_reason_and_an_end(store: Store) -> None:
    def add(reason: str, until_ms: int) -> int:
        return store.ops.write(
            lambda cx: configs.add_exception(cx, "n1", "r1", reason, actor="mk", until_ms=until_ms, now_ms=5)
        )

    for reason, until_ms in ((" ", 10), ("why", 5)):
        with pytest.raises(StoreRefused):
            add(reason, until_ms)
    number = add("why", 10)
    assert [one.exception_id for one in store.read(lambda cx: configs.exceptions(cx, 9))] == [number]
    assert store.read(lambda cx: configs.exceptions(cx, 10)) == []
    store.ops.write(lambda cx: configs.end_exception(cx, number, 6))
    assert store.read(lambda cx: configs.exceptions(cx, 7)) == []
    with pytest.raises(StoreRefused, match="no open exception"):
        store.ops.write(lambda cx: configs.end_exception(cx, number, 7))


def test_the_list_and_the_page(store: Store) -> None:
    from local_store.nodes import upsert_nodes

    store.ops.write(lambda cx: upsert_nodes(cx, [Node("n1", "n1", "10.0.0.1", "mesh")], 1))
    backup(store, ONE, 10)
    store.ops.write(lambda cx: configs.judge(cx, "n1", "drifted", '[{"option": "a"}]', [], 11))
    assert store.read(lambda cx: ids(cx, CONFIGS, "drifted")) == ["n1"]
    row = dict(zip(CONFIGS.columns, store.read(lambda cx: rows(cx, CONFIGS, ["n1"]))["n1"], strict=True))
    assert (row["verdict"], row["versions"], row["read"]) == ("drifted", 1, 10)
    found = store.read(lambda cx: page(cx, "n1"))
    assert found.drift == ({"option": "a"},)
    assert len(found.history) == 1
    assert store.read(lambda cx: page(cx, "n9")).look is None


def test_routeros_reads_differ_only_when_the_configuration_does() -> None:
    one = (
        "# 2026-11-24 10:00:00 by RouterOS 7.16\r\n# software id = ABC\r\n/interface wireless \\\r\n    set x \r\n\r\n"
    )
    two = "# 2026-11-25 11:11:11 by RouterOS 7.16\n# software id = ABC\n/interface wireless set x\n"
    assert normalised(one, "routeros") == normalised(two, "routeros") == "/interface wireless set x\n"
    assert normalised("b=2\na=1\n", "airos") == "a=1\nb=2\n"
    assert [form_of(name) for name in ("MikroTik", "Ubiquiti", "OpenWrt", "")] == ["routeros", "airos", "uci", "uci"]


@pytest.mark.parametrize("text", ["", "ash: uci: not found\n", "package network\nconfig interface 'la"])
def test_what_is_no_configuration_is_not_stored(text: str) -> None:
    with pytest.raises(NotStored):
        normalised(text, "uci")


def test_a_configuration_that_lost_half_of_itself_is_not_stored() -> None:
    refuse_shrunk(None, "a\n")
    refuse_shrunk("a\n" * 10, "a\n" * 5)
    with pytest.raises(NotStored, match="from 10 to 4 lines"):
        refuse_shrunk("a\n" * 10, "a\n" * 4)


SECRETS = """package wireless

config wifi-iface 'mesh0'
\toption key 'geheim-1'
\toption mesh_id 'ge'
\tlist sae_password 'geheim-1'

package snmpd

config com2sec 'public'
\toption community 'geheim-1'

package network

config interface 'wg0'
\toption private_key 'geheim-1'
\toption public_key 'offen'
"""


def test_no_secret_is_shown_but_that_it_changed_is() -> None:
    text = masked_text(SECRETS)
    assert "geheim" not in text
    assert "offen" in text
    lines = difference(SECRETS, SECRETS.replace("key 'geheim-1'", "key 'geheim-2'").replace("'ge'", "'gf'"))
    assert "geheim" not in "\n".join(lines)
    assert "+\toption key '*** (changed)'" in lines
    assert "+\toption mesh_id 'gf'" in lines
    assert difference(SECRETS, SECRETS) == []


def test_secrets_of_other_makers_are_masked_by_their_words() -> None:
    text = '/interface wireless security-profiles set wpa2-pre-shared-key="geheim 1" name=x\n/snmp community=geheim2\n'
    shown = masked_text(text, "routeros")
    assert "geheim" not in shown
    assert "name=x" in shown
    assert difference(text, text.replace("geheim2", "geheim3"), "routeros")[-1] == "+*** (changed)"
