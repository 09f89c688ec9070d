"""What pysnmp calls the algorithms of SNMPv3 that the inventory names."""

from __future__ import annotations

from typing import Any, Final

from pysnmp.entity import config

from device_drivers.api import AuthProtocol, PrivProtocol

AUTH: Final[dict[AuthProtocol | None, Any]] = {
    None: config.USM_AUTH_NONE,
    "md5": config.USM_AUTH_HMAC96_MD5,
    "sha1": config.USM_AUTH_HMAC96_SHA,
    "sha224": config.USM_AUTH_HMAC128_SHA224,
    "sha256": config.USM_AUTH_HMAC192_SHA256,
    "sha384": config.USM_AUTH_HMAC256_SHA384,
    "sha512": config.USM_AUTH_HMAC384_SHA512,
}
PRIV: Final[dict[PrivProtocol | None, Any]] = {
    None: config.USM_PRIV_NONE,
    "des": config.USM_PRIV_CBC56_DES,
    "aes128": config.USM_PRIV_CFB128_AES,
    "aes192": config.USM_PRIV_CFB192_AES_BLUMENTHAL,
    "aes256": config.USM_PRIV_CFB256_AES_BLUMENTHAL,
    "aes192-cisco": config.USM_PRIV_CFB192_AES,
    "aes256-cisco": config.USM_PRIV_CFB256_AES,
}
