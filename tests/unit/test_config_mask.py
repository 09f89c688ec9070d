"""Secrets of real configurations: RouterOS exports, airOS, EdgeOS, and options of uci that are easily forgotten."""

from __future__ import annotations

import pytest

from mesh_mgmt.config_mask import difference, is_secret, masked_words
from mesh_mgmt.uci_change import Key

SECRET = "s3cret-Word"


@pytest.mark.parametrize(
    ("line", "shown"),
    [
        (f"/snmp community set [ find default=yes ] addresses=::/0 name={SECRET}",
         "/snmp community set [ find default=yes ] addresses=::/0 name=***"),
        (f'/snmp community add authentication-password={SECRET} name="{SECRET} 2"',
         "/snmp community add authentication-password=*** name=***"),
        (f"/ppp secret add name=u password={SECRET}", "/ppp secret add name=u password=***"),
        (f"/ip address add address=10.0.0.1/24\n/ppp secret set 0 password={SECRET}\n/ip dns set servers=9.9.9.9",
         "/ip address add address=10.0.0.1/24\n/ppp secret set 0 password=***\n/ip dns set servers=9.9.9.9"),
        (f'set wpa2-pre-shared-key=\\\n    "{SECRET} x" mtu=1500', "set wpa2-pre-shared-key=*** mtu=1500"),
        (f'add secret="{SECRET}\\\n    more" peer=x', "add secret=*** peer=x"),
        (f'add passphrase="a \\" {SECRET}"', "add passphrase=***"),
        (f"set snmp community {SECRET} authorization ro", "set snmp community *** authorization ro"),
        ("aaa.1.wpa.psk=\nradio.1.txpower=20", "aaa.1.wpa.psk=\nradio.1.txpower=20"),
    ],
)  # fmt: skip
def test_a_makers_text_shows_no_secret_and_all_the_rest(line: str, shown: str) -> None:
    assert masked_words(line) == shown
    assert SECRET not in masked_words(line)


@pytest.mark.parametrize(
    "option", ["priv_key_pwd", "pincode", "r0kh", "r1kh", "authkey", "wepkey", "key1", "preshared_key", "sae_password"]
)
def test_an_option_that_holds_a_secret_is_masked(option: str) -> None:
    assert is_secret(Key("wireless", "mesh", option))


@pytest.mark.parametrize("option", ["encryption", "key_mgmt", "psk_file", "public_key", "sae_pwe", "pinning"])
def test_an_option_that_holds_none_is_shown(option: str) -> None:
    assert not is_secret(Key("wireless", "mesh", option))


def test_a_community_that_changed_shows_as_changed_only() -> None:
    before, after = (f"/snmp community set [ find ] name={name}\n" for name in ("one-old", "two-new"))
    told = "\n".join(difference(before, after, "routeros"))
    assert "changed" in told
    assert "one-old" not in told
    assert "two-new" not in told
