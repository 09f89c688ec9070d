"""Throw-away certificates for TLS tests: one authority, a server's and a client's certificate as PEM files."""

from __future__ import annotations

import datetime as dt
import ipaddress
from dataclasses import dataclass
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

START = dt.datetime(2020, 1, 1, tzinfo=dt.UTC)
END = dt.datetime(2120, 1, 1, tzinfo=dt.UTC)


@dataclass(frozen=True, slots=True)
class Certificates:
    """Paths of the PEM files."""

    ca: str
    server: str
    server_key: str
    client: str
    client_key: str


def make(directory: Path, host: str = "127.0.0.1", client_end: dt.datetime = END) -> Certificates:
    """A server certificate for `host`, which is an address, and a client certificate for `leitstand`."""
    directory.mkdir(parents=True, exist_ok=True)
    ca_key, ca = _issue("Test CA", None, None, [x509.BasicConstraints(ca=True, path_length=0), _SIGNS])
    names = x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address(host))])
    server_key, server = _issue("broker", ca_key, ca, [names])
    client_key, client = _issue("leitstand", ca_key, ca, [], client_end)
    return Certificates(
        _pem(directory / "ca.pem", ca),
        _pem(directory / "server.pem", server),
        _pem(directory / "server.key", server_key),
        _pem(directory / "client.pem", client),
        _pem(directory / "client.key", client_key),
    )


_SIGNS = x509.KeyUsage(
    digital_signature=False,
    content_commitment=False,
    key_encipherment=False,
    data_encipherment=False,
    key_agreement=False,
    key_cert_sign=True,
    crl_sign=True,
    encipher_only=False,
    decipher_only=False,
)


def _issue(
    name: str,
    issuer_key: ec.EllipticCurvePrivateKey | None,
    issuer: x509.Certificate | None,
    extensions: list[x509.ExtensionType],
    end: dt.datetime = END,
) -> tuple[ec.EllipticCurvePrivateKey, x509.Certificate]:
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    signer = issuer_key or key
    builder = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject if issuer is None else issuer.subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(START)
        .not_valid_after(end)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(signer.public_key()), critical=False)
    )
    for extension in extensions:
        critical = isinstance(extension, x509.BasicConstraints | x509.KeyUsage)
        builder = builder.add_extension(extension, critical=critical)
    return key, builder.sign(signer, hashes.SHA256())


def _pem(path: Path, thing: x509.Certificate | ec.EllipticCurvePrivateKey) -> str:
    if isinstance(thing, x509.Certificate):
        path.write_bytes(thing.public_bytes(serialization.Encoding.PEM))
    else:
        path.write_bytes(
            thing.private_bytes(
                serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
            )
        )
    return str(path)
