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
places = st.just((None, None)) | st.tuples(st.floats(-90, 90), st.floats(-180, 180))
nodes = st.lists(
    st.builds(
        lambda place, **others: Node(**others, lat=place[0], lon=place[1]),
        place=places,
        node_id=st.from_regex(r"ge-[a-z]{3}-[0-9]{4}", fullmatch=True),
        name=st.from_regex(r"[A-Z][a-z]{1,8} [0-9]{1,3}", fullmatch=True),
        address=st.ip_addresses().map(str),
        role=st.sampled_from(ROLES[:4]),
        port=st.integers(1, 65_535),
        district=words,
        vendor=words,
        serial=words,
        attributes=st.dictionaries(
            st.sampled_from(["Mast", "Strom", "Bezirk", "attributes", "+x", "++"]), words.filter(bool)
        ).map(lambda extra: json.dumps(extra, sort_keys=True, ensure_ascii=False)),
    ),
    max_size=6,
    unique_by=(lambda node: node.node_id, lambda node: (node.address, node.port)),
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
    text = "\ufeffKnoten;Adresse;Rolle;Stadtteil;Breite;Länge;Mast\nge-bue-0001;10.0.0.1;Mesh;Buer;51,578;7,05;17\n"
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


def test_a_row_is_refused_with_everything_that_hangs_on_it() -> None:
    rows, _ = parse_nodes("node_id,address,uplink\nc,10.0.0.3,b\nb,10.0.0.2,a\na,10.0.0.999,\nd,10.0.0.4,\n", "csv")
    plan = plan_nodes(rows, {})
    assert [(one.line, one.reason) for one in plan.rejected] == [
        (2, "unknown_uplink"),
        (3, "unknown_uplink"),
        (4, "bad_address"),
    ]
    assert [node.node_id for node in plan.new] == ["d"]


def test_two_nodes_at_one_address_are_refused_and_a_swap_is_not() -> None:
    known = {node.node_id: node for node in (Node("a", "a", "10.0.0.1", "mesh"), Node("b", "b", "10.0.0.2", "mesh"))}

    def plan(text: str) -> tuple[list[str], list[str]]:
        found = plan_nodes(parse_nodes("node_id,address,port\n" + text, "csv")[0], known)
        return [node.node_id for node in found.rows()], [one.value for one in found.rejected]

    assert plan("c,10.0.0.1,\n") == ([], ["10.0.0.1 161 (a)"])
    assert plan("c,10.0.0.1,1161\n") == (["c"], [])
    assert plan("a,10.0.0.2,\nb,10.0.0.1,\n") == (["a", "b"], [])
    assert plan("c,10.0.0.3,\nd,10.0.0.3,\n") == (["c"], ["10.0.0.3 161 (c)"])


@pytest.mark.parametrize(
    "text", ["[" * 50_000, "{", '{"type": "NetworkGraph", "nodes": []}', '{"results": []}', "[]", ""]
)
@pytest.mark.parametrize("form", ["netjson", "netbox", "csv"])
def test_a_file_without_nodes_is_refused_with_a_reason(text: str, form: Format) -> None:
    rows, rejected = parse_nodes(text, form)
    assert rows == []
    assert rejected


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("node_id,address\na," + "x" * 200_000, "not_a_table"),
        ("id,knoten,address\na,b,10.0.0.1\n", "duplicate"),
        ("node_id,address,port\na,10.0.0.1,²\n", "bad_port"),
        ("node_id,address,lat\na,10.0.0.1,1_0\n", "bad_number"),
        ("node_id,address,lat\na,10.0.0.1,nan\n", "bad_number"),
        ("node_id,address,lat\na,10.0.0.1,51.5\n", "half_place"),
        ("node_id,address,lat,lon\na,10.0.0.1,,7.1\n", "half_place"),
        ("node_id,address,serial\na,10.0.0.1,1.23457E+14\n", "serial_damaged"),
        ('node_id;address;serial\na;10.0.0.1;"1,23457E+14"\n', "serial_damaged"),
    ],
)
def test_odd_files_have_reasons_and_no_traceback(text: str, reason: str) -> None:
    plan = plan_nodes(*parse_nodes(text, "csv")[:1], {}, parse_nodes(text, "csv")[1])
    assert [one.reason for one in plan.rejected] == [reason]
    assert plan.new == ()


def test_half_a_place_completes_what_is_known() -> None:
    known = {"a": Node("a", "a", "10.0.0.1", "mesh", lat=51.5, lon=7.1)}
    plan = plan_nodes(parse_nodes("node_id,lat\na,51.6\n", "csv")[0], known)
    assert [(one.lat, one.lon) for one, _ in plan.changed] == [(51.6, 7.1)]


@pytest.mark.parametrize("first", ["sep=;", "SEP=;\r", '"sep=;"', "\ufeffsep=;"])
def test_the_line_that_names_the_separator_is_no_row(first: str) -> None:
    text = f"{first}\nnode_id;address;name\na;10.0.0.1;Buer, Mast 1\nb;10.0.0.999;B\n"
    plan = plan_nodes(*parse_nodes(text, "csv")[:1], {})
    assert [node.name for node in plan.new] == ["Buer, Mast 1"]
    assert [(one.line, one.reason) for one in plan.rejected] == [(4, "bad_address")]
    assert parse_nodes("sep=;\n", "csv")[0] == []


def test_what_a_spreadsheet_leaves_behind_a_row_is_no_fault() -> None:
    rows, rejected = parse_nodes("node_id;address\na;10.0.0.1;;;\n;;;\n", "csv")
    assert ([node.node_id for node in plan_nodes(rows, {}).new], rejected) == (["a"], [])


@pytest.mark.parametrize("mark", ['"Buer', '"Buer"x', '"Haus "Nord" 3"'])
def test_a_quotation_mark_that_does_not_close_swallows_no_rows(mark: str) -> None:
    text = f'node_id,address,district\na,10.0.0.1,"Buer\nSüd"\nb,10.0.0.2,{mark}\nc,10.0.0.3,Buer\n'
    rows, rejected = parse_nodes(text, "csv")
    assert (rows, [(one.line, one.reason) for one in rejected]) == ([], [(4, "bad_quote")])


def test_a_row_is_named_by_the_line_it_begins_in() -> None:
    text = 'node_id,address,district\n\nx,10.0.0.1,"Buer\nSüd"\nx,10.0.0.2,"Buer\n\nNord"\n'
    plan = plan_nodes(*parse_nodes(text, "csv")[:1], {})
    assert [(one.line, one.reason) for one in plan.rejected] == [(5, "duplicate")]
    assert plan.new[0].district == "Buer\nSüd"


def test_a_routing_daemons_graph_has_addresses_for_ids() -> None:
    graph = {"type": "NetworkGraph", "nodes": [{"id": "10.0.0.1"}, {"id": "b", "local_addresses": ["10.0.0.9"]}]}
    plan = plan_nodes(parse_nodes(json.dumps(graph), "netjson")[0], {})
    assert [(node.node_id, node.address) for node in plan.new] == [("10.0.0.1", "10.0.0.1"), ("b", "10.0.0.9")]


@pytest.mark.parametrize("eui", ["2.4E+15", "2,4E+15", "2.4E15", "240000000001"])
def test_what_a_spreadsheet_did_to_a_dev_eui_is_refused(eui: str) -> None:
    rows, rejected = parse_sensors(f'dev_eui;name\n"{eui}";B-1\n')
    assert [one.reason for one in plan_sensors(rows, {}, rejected).rejected] == ["eui_damaged"]


def test_dev_euis_come_in_any_spelling() -> None:
    spellings = ["24-E1-24-00-00-10-00-01", "24:e1:24:00:00:10:00:01", "24E1240000100001"]  # no spreadsheet number
    for text in spellings:
        rows, _ = parse_sensors(f"dev_eui,kind,interval_s\n{text},bin,600\n")
        sensor = plan_sensors(rows, {}).new[0]
        assert (sensor.sensor_id, sensor.system, sensor.interval_s) == ("24e1240000100001", "gesaeubert", 600)


def test_a_netbox_csv_is_understood() -> None:
    text = (
        "Name,Status,Role,Manufacturer,Type,IP Address\nge-bue-0001,Active,Access Point,Ubiquiti,LiteAP,10.1.2.3/24\n"
    )
    node = plan_nodes(parse_nodes(text, "netbox")[0], {}).new[0]
    assert (node.address, node.role, node.vendor, node.model) == ("10.1.2.3", "hotspot", "Ubiquiti", "LiteAP")
    assert json.loads(node.attributes) == {"Status": "Active"}


def test_a_german_netbox_with_semicolons_is_understood() -> None:
    """Titles and values as NetBox 4 exports all columns in German."""
    text = (
        "Name;Status;Rolle;Hersteller;Typ;Seriennummer;Standort;Lokation;Breitengrad;Längengrad;IPv4-Adresse;ID\n"
        "ge-bue-0001;active;LoRaWAN Gateway;RAK;WisGate;S1;Rathaus;Buer;51.578100;7.050000;10.1.2.3/24;17\n"
    )
    node = plan_nodes(parse_nodes(text, "netbox")[0], {}).new[0]
    assert (node.address, node.role, node.vendor, node.model) == ("10.1.2.3", "lorawan_gateway", "RAK", "WisGate")
    assert (node.serial, node.site, node.district, node.lat, node.lon) == ("S1", "Rathaus", "Buer", 51.5781, 7.05)
    assert json.loads(node.attributes) == {"ID": "17", "Status": "active"}


def test_a_page_of_the_netbox_api_is_not_taken_for_all_devices() -> None:
    page = {"count": 550, "next": "https://netbox/api/dcim/devices/?limit=50&offset=50", "results": [{"name": "a"}]}
    assert [one.reason for one in parse_nodes(json.dumps(page), "netbox")[1]] == ["not_whole"]


def test_an_empty_custom_field_of_netbox_takes_nothing_away() -> None:
    device = {
        "name": "ge-bue-0001",
        "site": {"name": "Rathaus"},
        "role": {"name": "Mesh Node", "slug": "mesh-node"},
        "primary_ip": {"address": "10.1.2.3/24"},
        "custom_fields": {"site": None, "district": "Buer", "Mast": None},
    }
    node = plan_nodes(parse_nodes(json.dumps({"next": None, "results": [device]}), "netbox")[0], {}).new[0]
    assert (node.site, node.district, node.role, node.attributes) == ("Rathaus", "Buer", "mesh", "{}")
