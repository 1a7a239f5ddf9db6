"""The stack's own certificate authority and the server certificate of its front door."""

from __future__ import annotations

import datetime
import ipaddress
import socket
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from runtime.secret_file import write_secret

CA_DAYS = 3650
SERVER_DAYS = 397  # the longest that clients accept
RENEW_BEFORE_DAYS = 30
# A clock that runs a little late must not call a fresh certificate "not yet valid".
BACKDATE = datetime.timedelta(hours=1)


@dataclass(frozen=True)
class Certificates:
    """Files in PEM form. `ca` is what clients trust; the keys are readable by their owner only."""

    ca: Path
    server: Path
    server_key: Path


def ensure_certificates(folder: Path, extra_names: Iterable[str] = ()) -> Certificates:
    """The CA and the server certificate in `folder`, made at first and before they run out.

    The certificate is good for localhost, 127.0.0.1, ::1, this machine's name and `extra_names`.
    """
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    names = ["localhost", "127.0.0.1", "::1", socket.gethostname(), *extra_names]
    files = Certificates(folder / "ca.pem", folder / "server.pem", folder / "server.key")
    ca_key_file = folder / "ca.key"
    if not (files.ca.exists() and ca_key_file.exists()):
        _make_ca(files.ca, ca_key_file)
        files.server.unlink(missing_ok=True)
    if _must_make(files, names):
        _make_server(files, ca_key_file, names)
    return files


def _must_make(files: Certificates, names: list[str]) -> bool:
    if not (files.server.exists() and files.server_key.exists()):
        return True
    certificate = x509.load_pem_x509_certificate(files.server.read_bytes())
    soon = _now() + datetime.timedelta(days=RENEW_BEFORE_DAYS)
    known = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    return certificate.not_valid_after_utc < soon or any(_general(name) not in known for name in names)


def _make_ca(file: Path, key_file: Path) -> None:
    key = ec.generate_private_key(ec.SECP256R1())
    name = _name("Isthmus local CA")
    builder = (
        _builder(name, name, key.public_key(), CA_DAYS)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(_key_usage(signs_certificates=True), critical=True)
    )
    _write_key(key_file, key)
    file.write_bytes(_sign(builder, key, key.public_key()))


def _make_server(files: Certificates, ca_key_file: Path, names: list[str]) -> None:
    ca_key = serialization.load_pem_private_key(ca_key_file.read_bytes(), password=None)
    if not isinstance(ca_key, ec.EllipticCurvePrivateKey):
        raise TypeError(f"{ca_key_file} holds no elliptic-curve key")
    issuer = x509.load_pem_x509_certificate(files.ca.read_bytes()).subject
    key = ec.generate_private_key(ec.SECP256R1())
    alternative = x509.SubjectAlternativeName([_general(name) for name in dict.fromkeys(names)])
    builder = (
        _builder(_name("localhost"), issuer, key.public_key(), SERVER_DAYS)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(_key_usage(signs_certificates=False), critical=True)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
        .add_extension(alternative, critical=False)
    )
    _write_key(files.server_key, key)
    files.server.write_bytes(_sign(builder, ca_key, ca_key.public_key()))


def _builder(
    subject: x509.Name, issuer: x509.Name, key: ec.EllipticCurvePublicKey, days: int
) -> x509.CertificateBuilder:
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(_now() - BACKDATE)
        .not_valid_after(_now() + datetime.timedelta(days=days))
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key), critical=False)
    )


def _sign(
    builder: x509.CertificateBuilder, key: ec.EllipticCurvePrivateKey, issuer: ec.EllipticCurvePublicKey
) -> bytes:
    issued_by = x509.AuthorityKeyIdentifier.from_issuer_public_key(issuer)
    certificate = builder.add_extension(issued_by, critical=False).sign(key, hashes.SHA256())
    return certificate.public_bytes(serialization.Encoding.PEM)


def _write_key(file: Path, key: ec.EllipticCurvePrivateKey) -> None:
    pem = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    write_secret(file, pem)


def _key_usage(*, signs_certificates: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=True,
        key_cert_sign=signs_certificates,
        crl_sign=signs_certificates,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        encipher_only=False,
        decipher_only=False,
    )


def _name(common_name: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common_name)])


def _general(name: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(name))
    except ValueError:
        return x509.DNSName(name)


def _now() -> datetime.datetime:
    return datetime.datetime.now(datetime.UTC)
