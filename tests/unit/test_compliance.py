"""Rule packs: what is judged, what breaks a rule, what lifts it, and where a pack is wrong."""

from __future__ import annotations

import pytest

from local_store.records import Node
from mesh_mgmt.compliance import Exempt, Finding, RuleError, check, parse_pack, refuse_doubles
from mesh_mgmt.uci_change import flat
from mesh_mgmt.uci_text import parse

NODE = Node("n1", "n1", "10.0.0.1", "mesh")
PACK = """
[[rule]]
id = "ssh-keys-only"
path = "dropbear.*.PasswordAuth"
type = "dropbear"
expect = "off"
severity = "critical"
title = "SSH takes keys only"

[[rule]]
id = "mesh-encrypted"
path = "wireless.*.encryption"
type = "wifi-iface"
regex = "(sae|psk2).*"
title = "Every radio network is encrypted"

[[rule]]
id = "no-telnet"
path = "telnet.*.*"
absent = true
title = "No telnet"

[[rule]]
id = "tx-power"
path = "wireless.*.txpower"
type = "wifi-device"
at_least = 10
severity = "info"
title = "Enough power"
roles = ["gateway"]

[[rule]]
id = "key"
path = "wireless.*.key"
type = "wifi-iface"
regex = ".{20,}"
title = "Long keys"
"""
GOOD = """
package dropbear
config dropbear
\toption PasswordAuth 'off'
package wireless
config wifi-iface 'mesh0'
\toption encryption 'sae'
\toption key 'a-very-long-key-indeed'
"""


def found(text: str, node: Node = NODE, *exempt: Exempt, now_ms: int = 0) -> dict[str, Finding]:
    return {one.rule_id: one for one in check(parse_pack("p", PACK), node, flat(parse(text)), exempt, now_ms)}


def outcomes(text: str, node: Node = NODE, *exempt: Exempt, now_ms: int = 0) -> dict[str, str]:
    return {rule: one.outcome for rule, one in found(text, node, *exempt, now_ms=now_ms).items()}


def test_a_good_node_passes_what_concerns_it() -> None:
    assert outcomes(GOOD) == dict.fromkeys(("ssh-keys-only", "mesh-encrypted", "no-telnet", "key"), "pass")


def test_what_is_wrong_or_missing_fails_and_secrets_stay_hidden() -> None:
    bad = GOOD.replace("'off'", "'on'").replace("\toption encryption 'sae'\n", "").replace("-very-long-key-indeed", "")
    bad += "\npackage telnet\nconfig telnet 't'\n\toption Port '23'\n"
    said = found(bad)
    assert {one.outcome for one in said.values()} == {"fail"}
    assert said["ssh-keys-only"].option == "dropbear.@dropbear[0].PasswordAuth"
    assert said["ssh-keys-only"].found == "on"
    assert said["mesh-encrypted"].found == "–"
    assert said["key"].found == "***"


def test_a_node_without_radios_breaks_no_rule_about_radios() -> None:
    assert outcomes("package dropbear\nconfig dropbear\n\toption PasswordAuth off\n")["mesh-encrypted"] == "pass"


def test_numbers_and_roles() -> None:
    radio = GOOD + "\nconfig wifi-device 'radio0'\n\toption txpower '{}'\n"
    gateway = Node("g1", "g1", "10.0.0.2", "gateway")
    assert "tx-power" not in outcomes(radio.format(3))
    assert [outcomes(radio.format(power), gateway)["tx-power"] for power in (9, 10, "auto")] == ["fail", "pass", "fail"]


def test_an_exception_holds_until_its_moment_for_its_node() -> None:
    bad = GOOD.replace("'off'", "'on'")
    for node_id, now_ms, outcome in (
        ("n1", 9, "excepted"),
        ("*", 9, "excepted"),
        ("n2", 9, "fail"),
        ("n1", 10, "fail"),
    ):
        exempt = Exempt(node_id, "ssh-keys-only", 10, "replaced next week")
        assert outcomes(bad, NODE, exempt, now_ms=now_ms)["ssh-keys-only"] == outcome


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("\n[[rule]]\nx = 1", "pack.toml, line 2: unknown key `x`"),
        ("[[rule]]\nid = 'a'", "needs `path`"),
        ("[[rule]]\nid='a'\npath='a.b.c'\ntitle='t'", "exactly one of"),
        ("[[rule]]\nid='a'\npath='a.b.c'\ntitle='t'\nregex='('", "no regular expression"),
        ("[[rule]]\nid='a'\npath='a.b'\ntitle='t'\nabsent=true", "package.section.option"),
        ("[[rule]]\nid='a'\npath='a.b.c'\ntitle='t'\nabsent=true\nseverity='bad'", "severity is one of"),
        ("rule = 3", "nothing but"),
        ("[[rule", "not TOML"),
    ],
)
def test_a_wrong_pack_is_refused_with_its_place(text: str, message: str) -> None:
    with pytest.raises(RuleError) as caught:
        parse_pack("pack.toml", text)
    assert message in str(caught.value)


def test_one_id_one_rule() -> None:
    with pytest.raises(RuleError, match="two rules have the id"):
        refuse_doubles([*parse_pack("a", PACK), *parse_pack("b", PACK)])
