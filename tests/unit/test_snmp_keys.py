"""Keys against the vectors of the RFCs."""

from __future__ import annotations

import pytest

from device_drivers.api import SnmpCredentials
from device_drivers.snmp_keys import (
    KeyChoiceError,
    extend_blumenthal,
    extend_reeder,
    local_keys,
    localize,
    master_key,
)

ENGINE = bytes.fromhex("000000000000000000000002")


@pytest.mark.parametrize(
    ("name", "master", "local"),
    [
        # RFC 3414 appendices A.3.1 and A.3.2
        ("md5", "9faf3283884e92834ebc9847d8edd963", "526f5eed9fcce26f8964c2930787d82b"),
        ("sha1", "9fb5cc0381497b3793528939ff788d5d79145211", "6695febc9288e36282235fc7151f128497b38f3f"),
    ],
)
def test_password_and_localization_vectors(name: str, master: str, local: str) -> None:
    assert master_key(name, "maplesyrup").hex() == master
    assert localize(name, master_key(name, "maplesyrup"), ENGINE).hex() == local


def test_extensions_begin_with_the_key_and_differ() -> None:
    key = localize("sha1", master_key("sha1", "maplesyrup"), ENGINE)
    blumenthal = extend_blumenthal("sha1", key, 32)
    # draft-reeder-snmpv3-usm-3desede-00 appendix B.1
    reeder = extend_reeder("md5", bytes.fromhex("526f5eed9fcce26f8964c2930787d82b"), ENGINE, 32)
    assert blumenthal[:20] == key
    assert reeder.hex() == "526f5eed9fcce26f8964c2930787d82b79eff44a90650ee0a3a40abfac5acc12"


def test_short_passwords_and_privacy_alone_are_refused() -> None:
    with pytest.raises(KeyChoiceError, match="8 characters"):
        master_key("sha1", "short")
    with pytest.raises(KeyChoiceError, match="authentication"):
        local_keys(SnmpCredentials("3", user="u", priv="aes128", priv_password="long-enough"), ENGINE)


def test_keys_are_not_shown() -> None:
    keys = local_keys(SnmpCredentials("3", "", "u", "sha1", "maplesyrup", "aes128", "maplesyrup"), ENGINE)
    assert keys.auth.hex() not in repr(keys)
    assert repr(keys.auth) not in repr(keys)
