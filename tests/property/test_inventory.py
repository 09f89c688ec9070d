"""Imports: what comes in goes out again the same, and every bad row is named."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from local_store.records import Node
from mesh_mgmt.inventory import ROLES, plan_nodes, plan_sensors
from mesh_mgmt.inventory_formats import Format, parse_nodes, parse_sensors, write_nodes

words = st.text("abcdefghijklmnopqrstuvwxyzäöüß,;\"' -", max_size=12).map(str.strip)
nodes = st.lists(
    st.builds(
        Node,
        node_id=st.from_regex(r"ge-[a-z]{3}-[0-9]{4}", fullmatch=True),
        name=st.from_regex(r"[A-Z][a-z]{1,8} [0-9]{1,3}", fullmatch=True),
        address=st.ip_addresses().map(str),
        role=st.sampled_from(ROLES[:4]),
        port=st.integers(1, 65_535),
        district=words,
        vendor=words,
        serial=words,
        lat=st.none() | st.floats(-90, 90),
        lon=st.none() | st.floats(-180, 180),
        attributes=st.dictionaries(st.sampled_from(["Mast", "Strom"]), words.filter(bool)).map(
            lambda extra: json.dumps(extra, sort_keys=True, ensure_ascii=False)
        ),
    ),
    max_size=6,
    unique_by=lambda node: node.node_id,
)


@pytest.mark.parametrize("form", ["csv", "netjson", "netbox"])
@given(nodes)
def test_an_export_is_imported_unchanged(form: Format, found: list[Node]) -> None:
    rows, rejected = parse_nodes(write_nodes(found, form), form)
    if not found:
        return
    plan = plan_nodes(rows, {}, rejected)
    assert plan.rejected == ()
    assert list(plan.new) == found
    again = plan_nodes(rows, {node.node_id: node for node in found})
    assert (again.new, again.changed, again.unchanged) == ((), (), len(found))


@given(st.text(max_size=200), st.sampled_from(["csv", "netjson", "netbox"]))
def test_any_text_is_answered_and_never_raises(text: str, form: Format) -> None:
    rows, rejected = parse_nodes(text, form)
    plan = plan_nodes(rows, {}, rejected)
    assert plan.new or plan.rejected or not rows


def test_german_headers_a_semicolon_and_a_bom_are_understood() -> None:
    text = "\ufeffKnoten;Adresse;Rolle;Stadtteil;Breite;Mast\nge-bue-0001;10.0.0.1;Mesh;Buer;51,578;17\n"
    plan = plan_nodes(*parse_nodes(text, "csv")[:1], {})
    assert plan.new[0].district == "Buer"
    assert plan.new[0].lat == 51.578
    assert json.loads(plan.new[0].attributes) == {"Mast": "17"}


@pytest.mark.parametrize(
    ("row", "reason", "field"),
    [
        ("ge-bue-0001,300.1.2.3,mesh", "bad_address", "address"),
        ("ge-bue-0001,,mesh", "missing", "address"),
        (",10.0.0.1,mesh", "missing", "node_id"),
        ("ge bue,10.0.0.1,mesh", "bad_id", "node_id"),
        ("ge-bue-0001,10.0.0.1,king", "bad_role", "role"),
        ("ge-bue-0000,10.0.0.1,mesh", "duplicate", "node_id"),
        ("ge-bue-0001,10.0.0.1,mesh,x,y", "not_a_table", ""),
    ],
)
def test_a_bad_row_is_named_by_line_and_the_good_ones_stand(row: str, reason: str, field: str) -> None:
    text = f"node_id,address,role\nge-bue-0000,10.0.0.1,mesh\n{row}\n"
    rows, rejected = parse_nodes(text, "csv")
    plan = plan_nodes(rows, {}, rejected)
    assert [(one.line, one.reason, one.field) for one in plan.rejected] == [(3, reason, field)]
    assert [node.node_id for node in plan.new] == ["ge-bue-0000"]


def test_an_uplink_nobody_knows_is_refused() -> None:
    rows, _ = parse_nodes("node_id,address,uplink\na,10.0.0.1,b\nb,10.0.0.2,c\n", "csv")
    plan = plan_nodes(rows, {})
    assert ("unknown_uplink", "c") in [(one.reason, one.value) for one in plan.rejected]


@pytest.mark.parametrize("eui", ["2.4E+15", "2,4E+15", "240000000001"])
def test_what_a_spreadsheet_did_to_a_dev_eui_is_refused(eui: str) -> None:
    rows, rejected = parse_sensors(f'dev_eui;name\n"{eui}";B-1\n')
    assert [one.reason for one in plan_sensors(rows, {}, rejected).rejected] == ["eui_damaged"]


def test_dev_euis_come_in_any_spelling() -> None:
    rows, _ = parse_sensors("dev_eui,kind,interval_s\n24-E1-24-00-00-10-00-01,bin,600\n")
    sensor = plan_sensors(rows, {}).new[0]
    assert (sensor.sensor_id, sensor.system, sensor.interval_s) == ("24e1240000100001", "gesaeubert", 600)


def test_a_netbox_csv_is_understood() -> None:
    text = (
        "Name,Status,Role,Manufacturer,Type,IP Address\nge-bue-0001,Active,Access Point,Ubiquiti,LiteAP,10.1.2.3/24\n"
    )
    node = plan_nodes(parse_nodes(text, "netbox")[0], {}).new[0]
    assert (node.address, node.role, node.vendor, node.model) == ("10.1.2.3", "hotspot", "Ubiquiti", "LiteAP")
    assert json.loads(node.attributes) == {"Status": "Active"}
