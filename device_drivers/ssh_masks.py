"""Takes secrets out of a line before it is logged. Pure; rather hides too much than too little."""

from __future__ import annotations

import re
from typing import Final

HIDDEN: Final = "***"
_NAMES: Final = (
    r"(?:[\w.@\[\]-]*[._-])?(?:key\d?|psk|passphrase|passwd|password|passcode|secret|community|private[_-]?key|"
    r"preshared[_-]?key|pre-shared-key|wpa2?-pre-shared-key|auth_secret|acct_secret|pin|token|sae_password|"
    r"authentication-password|encryption-password)"
)
_VALUE: Final = r"""('[^']*(?:'\\''[^']*)*'|"(?:[^"\\]|\\.)*"|[^\s;'"]+)"""
_ASSIGNED: Final = re.compile(rf"(?i)(?<![\w]){_NAMES}(\s*[+-]?=\s*){_VALUE}")
_OPTION: Final = re.compile(rf"(?i)\b((?:option|list)\s+['\"]?{_NAMES}['\"]?\s+){_VALUE}")
_JSON: Final = re.compile(rf"""(?i)("{_NAMES}"\s*:\s*)"(?:[^"\\]|\\.)*\"""")
_PEM: Final = re.compile(r"-----BEGIN [A-Z ]*PRIVATE KEY-----.*?(?:-----END [A-Z ]*PRIVATE KEY-----|\Z)", re.DOTALL)
_HASHES: Final = re.compile(r"\$(?:1|5|6|2[aby]|y)\$[./A-Za-z0-9$]+")


def mask(text: str) -> str:
    """The text with every value of a secret's name, private key and password hash replaced by ***."""
    text = _PEM.sub(HIDDEN, text)
    text = _HASHES.sub(HIDDEN, text)
    text = _ASSIGNED.sub(lambda found: found[0][: found.start(2) - found.start()] + HIDDEN, text)
    text = _OPTION.sub(lambda found: found[1] + HIDDEN, text)
    return _JSON.sub(lambda found: f'{found[1]}"{HIDDEN}"', text)
