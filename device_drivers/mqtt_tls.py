"""TLS towards a broker: the context from its files, and a failed one as a sentence about the file to look at."""

from __future__ import annotations

import ssl
from pathlib import Path
from typing import Final

from device_drivers.api import BrokerTarget
from device_drivers.errors import Refused, Unsupported

PEM_CERTIFICATE: Final = b"-----BEGIN CERTIFICATE-----"
# RFC 8446 section 6.2, as OpenSSL spells the alerts in the reason of an error.
ABOUT_CERTIFICATES: Final = {
    "CERTIFICATE_EXPIRED": "has expired; have a new one made",
    "UNKNOWN_CA": "is of an authority the broker does not trust",
    "CERTIFICATE_REVOKED": "is revoked",
    "UNSUPPORTED_CERTIFICATE": "is of a kind the broker does not take",
    "BAD_CERTIFICATE": "is not accepted",
    "CERTIFICATE_UNKNOWN": "is not accepted",
    "ACCESS_DENIED": "gives no access",
}
NEEDS_ONE: Final = ("CERTIFICATE_REQUIRED", "HANDSHAKE_FAILURE")
"""Up to TLS 1.2 a missing certificate is a failed handshake like any other."""


def tls_context(target: BrokerTarget) -> ssl.SSLContext:
    """Verify always, against the system's authorities or the CA file; Unsupported when a file cannot be used."""
    for key, path in (("ca_file", target.ca_file), ("cert_file", target.cert_file), ("key_file", target.key_file)):
        if path is not None:
            _open(target, key, path)
    try:
        context = ssl.create_default_context(cafile=target.ca_file)
    except (OSError, ValueError) as error:
        raise _unusable(target, f"ca_file {target.ca_file}", f"no certificate in PEM form: {error}") from error
    if target.cert_file is not None:
        _show(target, context, target.cert_file)
    return context


def _open(target: BrokerTarget, key: str, path: str) -> None:
    try:
        with Path(path).open("rb"):
            pass
    except (OSError, ValueError) as error:
        why = getattr(error, "strerror", None) or error
        raise _unusable(target, f"{key} {path}", f"it cannot be read: {why}") from error


def _show(target: BrokerTarget, context: ssl.SSLContext, cert_file: str) -> None:
    names = f"cert_file {cert_file}" + (f", key_file {target.key_file}" if target.key_file else "")
    try:
        context.load_cert_chain(cert_file, target.key_file, password=_no_passphrase)
    except (OSError, ValueError) as error:
        raise _unusable(target, names, _flaw(target, cert_file, error)) from error


def _flaw(target: BrokerTarget, cert_file: str, error: Exception) -> str:
    if isinstance(error, ssl.SSLError):
        if error.reason == "KEY_VALUES_MISMATCH":
            return "the key does not belong to the certificate"
        if PEM_CERTIFICATE not in Path(cert_file).read_bytes():
            return "`cert_file` holds no certificate in PEM form"
        if target.key_file is None:
            return "`cert_file` holds no private key; name the file that does with `key_file`"
        return f"`key_file` holds no private key in PEM form: {error.reason or error}"
    return str(error)


def _unusable(target: BrokerTarget, names: str, why: str) -> Unsupported:
    return Unsupported(target.name, f"the certificate files cannot be used ({names}): {why}")


def _no_passphrase() -> str:
    """OpenSSL would ask for it on the terminal, in the middle of a screen."""
    raise ValueError("the key is encrypted with a passphrase, and only one without can be used")


def refusal(target: BrokerTarget, error: OSError) -> Refused | None:
    """What ended a connection, if it was about a certificate: which one, and what is wrong with it."""
    if isinstance(error, ssl.SSLCertVerificationError):
        trusted = f"`ca_file` {target.ca_file}" if target.ca_file else "the system's authorities"
        return Refused(target.name, f"its certificate is not trusted: {error.verify_message} (by {trusted})")
    reason = alert(error)
    if target.cert_file is None and any(word in reason for word in NEEDS_ONE):
        return Refused(target.name, f"it wants a client certificate: set `cert_file` and `key_file` ({reason})")
    shown = f"client certificate {target.cert_file}" if target.cert_file else "client certificate (none is set)"
    for word, sentence in ABOUT_CERTIFICATES.items():
        if word in reason:
            return Refused(target.name, f"it says that our {shown} {sentence} ({reason})")
    return Refused(target.name, f"no TLS connection: {reason}") if reason else None


def alert(error: OSError) -> str:
    """OpenSSL's name of the alert with which the other side ended a connection; "" for any other end."""
    reason = error.reason if isinstance(error, ssl.SSLError) else None
    return reason if reason and "_ALERT_" in reason else ""
