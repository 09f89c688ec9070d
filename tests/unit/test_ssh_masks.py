"""No secret of a command or its answer reaches a log."""

from __future__ import annotations

import pytest

from device_drivers.ssh_masks import mask


@pytest.mark.parametrize(
    "line",
    [
        "set wireless.default_radio0.key='Hunter2 it'",
        "wireless.@wifi-iface[0].key='Hunter2'",
        "\toption key 'Hunter2'",
        "option 'sae_password' \"Hunter2\"",
        "snmpd.public.community='Hunter2'",
        "add_list network.wg0.private_key='Hunter2='",
        "uci set network.wg0.preshared_key=Hunter2",
        '{"ssid": "GE", "password": "Hunter2"}',
        "/interface wireless security-profiles set wpa2-pre-shared-key=Hunter2",
        "set wireless.x.key1='it'\\''s Hunter2'",
        "-----BEGIN OPENSSH PRIVATE KEY-----\nHunter2\n-----END OPENSSH PRIVATE KEY-----",
        "-----BEGIN PRIVATE KEY-----\nHunter2",
        "root:$6$salt$Hunter2:19000:0",
    ],
)
def test_secrets_are_hidden(line: str) -> None:
    assert "Hunter2" not in mask(line)
    assert "***" in mask(line)


@pytest.mark.parametrize(
    "line",
    [
        ": leitstand flash op1 /tmp/leitstand/op1/image.bin abc r1 keep",
        "ubus call system board",
        "set system.@system[0].hostname='ge-bue-0001'",
        "option encryption 'sae-mixed'",
        "cat /etc/dropbear/authorized_keys",
    ],
)
def test_the_rest_stays_readable(line: str) -> None:
    assert mask(line) == line
