"""Templates: layers override in order, variables are declared, every mistake is named with its file and line."""

from __future__ import annotations

from collections.abc import Mapping

import pytest

from local_store.records import Node
from mesh_mgmt.desired import DesiredError, Source, Wanted, render, templates
from mesh_mgmt.uci_change import Key

NODE = Node("ge-bue-0001", "Buer Markt", "10.0.0.1", "mesh", district="Buer", model="GL-AX1800")
GLOBAL = """
[variables.mesh_key]
secret = true
required = true
[variables.country]
default = "DE"
[values]
mesh_key = { keyring = "mesh-key" }
[uci.wireless.radio0]
country = "{{ country }}"
[uci.wireless.mesh0]
_type = "wifi-iface"
key = "{{ mesh_key }}"
[uci.system."@system[0]"]
hostname = "{{ node.id }}"
"""


def resolve(reference: Mapping[str, str], what: str) -> str:
    return f"<{what}:{reference['keyring']}>"


def wanted(*sources: tuple[str, str], node: Node = NODE) -> Wanted:
    return render(templates([Source(name, text) for name, text in sources]), node, resolve)


def test_later_layers_override_earlier_ones() -> None:
    found = wanted(
        ("node/ge-bue-0001.toml", "[uci.wireless.radio0]\nchannel = 100\n"),
        ("district/buer.toml", "[values]\ncountry = 'AT'\n[uci.wireless.radio0]\nchannel = 44\n"),
        ("district/horst.toml", "[uci.wireless.radio0]\nchannel = 1\n"),
        ("global.toml", GLOBAL),
        ("model/gl-ax1800.toml", "[uci.wireless.radio0]\nhtmode = 'HE80'\nnoscan = true\n"),
    )
    assert found.sources == ("global.toml", "district/buer.toml", "model/gl-ax1800.toml", "node/ge-bue-0001.toml")
    assert found.options == {
        Key("wireless", "mesh0"): "wifi-iface",
        Key("wireless", "radio0", "country"): "AT",
        Key("wireless", "radio0", "channel"): "100",
        Key("wireless", "radio0", "htmode"): "HE80",
        Key("wireless", "radio0", "noscan"): "1",
        Key("wireless", "mesh0", "key"): "<global.toml mesh_key:mesh-key>",
        Key("system", "@system[0]", "hostname"): "ge-bue-0001",
    }


def test_a_layer_can_take_something_out_again() -> None:
    found = wanted(("global.toml", GLOBAL), ("role/mesh.toml", "remove = ['wireless.mesh0', 'system.ntp.server']"))
    assert found.options[Key("wireless", "mesh0")] is None
    assert Key("wireless", "mesh0", "key") not in found.options
    assert found.options[Key("system", "ntp", "server")] is None


def test_a_list_may_be_a_variable() -> None:
    text = (
        "[variables.dns]\ndefault = ['1.1.1.1', '9.9.9.9']\n[uci.network.lan]\n_type = 'interface'\ndns = '{{ dns }}'"
    )
    assert wanted(("global.toml", text)).options[Key("network", "lan", "dns")] == ("1.1.1.1", "9.9.9.9")


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("global.toml", "[uci.a.b]\n\nc = '{{ tpyo }}'", "global.toml, line 3: unknown variable `tpyo`"),
        ("global.toml", "[uci.a.b]\nc = 1\n[ucy]\n", "global.toml, line 3: unknown key `ucy`"),
        ("global.toml", "[uci.a\n", "global.toml, line 1: not TOML"),
        ("global.json", '{"uci": {}\n\n', "global.json, line 3: not JSON"),
        ("roles/x.toml", "", "roles/x.toml, line 1: the folder is none of"),
        ("global.toml", "[values]\nx = 1", "line 2: nobody declares the variable `x`"),
        ("global.toml", "[variables.x]\nrequired = true", "the variable `x` has no value for node ge-bue-0001"),
        ("global.toml", "[variables.x]\nsecret = true\n[values]\nx = 'plain'", "`x` is secret"),
        (
            "global.toml",
            "[variables.x]\n[values]\nx = { vault = 'a' }",
            "`x`: a reference is one of file, env, keyring",
        ),
        ("global.toml", "remove = ['network']", "expected package.section or package.section.option"),
        ("global.toml", "[uci.a]\nb = 1", "`b`: expected a section"),
        ("global.toml", "[uci.a.b]\nc = 1979-05-27", "a.b.c: expected a text, a number"),
        ("global.toml", "[uci.a.b]\nc = 'x\\ny'\n".replace("'", '"'), "line break"),
        ("global.toml", '[uci.a.b]\nc = "a\\nb"\n', "global.toml, line 2: a.b.c: a value with a line break"),
        (
            "global.toml",
            '[uci.a.b]\nc = "a\\u0000b"\n',
            "global.toml, line 2: a.b.c: a value with a line break or a NUL",
        ),
    ],
)
def test_every_mistake_is_named_where_it_stands(name: str, text: str, message: str) -> None:
    with pytest.raises(DesiredError) as caught:
        wanted((name, text))
    assert message in str(caught.value)


NETJSON = """
{"type": "DeviceConfiguration",
 "general": {"hostname": "{{ node.id }}", "timezone": "CET-1CEST"},
 "radios": [{"name": "radio0", "protocol": "802.11ax", "channel": 36, "channel_width": 80, "tx_power": 17}],
 "interfaces": [
   {"name": "mesh0", "type": "wireless",
    "wireless": {"radio": "radio0", "mode": "802.11s", "mesh_id": "gevernetzt",
                 "encryption": {"protocol": "wpa3_personal", "key": "{{ node.name }}"}}},
   {"name": "eth0", "addresses": [{"proto": "static", "address": "10.1.0.2", "mask": 24, "gateway": "10.1.0.1"}]}],
 "routes": [{"device": "eth0", "destination": "10.0.0.0/8", "next": "10.1.0.1", "cost": 5}],
 "dns_servers": ["9.9.9.9"],
 "ntp": {"enabled": true, "server": ["ntp.example"]}}
"""


def test_netjson_says_the_same_in_uci() -> None:
    found = wanted(("global.json", NETJSON)).options
    assert found[Key("system", "@system[0]", "hostname")] == "ge-bue-0001"
    assert found[Key("wireless", "radio0", "htmode")] == "HE80"
    assert found[Key("wireless", "wifi_mesh0", "mode")] == "mesh"
    assert found[Key("wireless", "wifi_mesh0", "encryption")] == "sae"
    assert found[Key("wireless", "wifi_mesh0", "key")] == "Buer Markt"
    assert found[Key("network", "eth0", "ipaddr")] == ("10.1.0.2/24",)
    assert found[Key("network", "eth0", "gateway")] == "10.1.0.1"
    assert found[Key("network", "route1", "target")] == "10.0.0.0/8"
    assert found[Key("network", "loopback", "dns")] == ("9.9.9.9",)
    assert found[Key("system", "ntp", "server")] == ("ntp.example",)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('{"type": "DeviceConfiguration", "files": []}', "`files` has no counterpart"),
        ('{"type": "DeviceConfiguration",\n"interfaces": [{"name": "x", "type": "modem"}]}', "type `modem`"),
        ('{"type": "DeviceConfiguration", "interfaces": {}}', "`interfaces` must be a list"),
        ('{"type": "DeviceConfiguration", "radios": [{}]}', "`radios` needs `name`"),
    ],
)
def test_what_netjson_cannot_say_is_refused(text: str, message: str) -> None:
    with pytest.raises(DesiredError) as caught:
        wanted(("global.json", text))
    assert message in str(caught.value)
