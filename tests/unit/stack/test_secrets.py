"""Certificates, keys and passwords."""

from __future__ import annotations

import ssl
import stat
from pathlib import Path

from cryptography import x509

from stack.ca import ensure_certificates
from stack.secrets import ensure_key, ensure_password


def test_secrets_are_readable_by_their_owner_only(tmp_path: Path) -> None:
    files = [ensure_key(tmp_path / "key"), tmp_path / "password"]
    ensure_password(files[1])
    assert [stat.S_IMODE(file.stat().st_mode) for file in files] == [0o600, 0o600]


def test_what_was_made_once_stays(tmp_path: Path) -> None:
    assert ensure_password(tmp_path / "p") == ensure_password(tmp_path / "p")
    assert ensure_key(tmp_path / "k").read_bytes() == ensure_key(tmp_path / "k").read_bytes()


def test_certificate_is_good_for_the_names_of_this_machine(tmp_path: Path) -> None:
    files = ensure_certificates(tmp_path, ["data.example.org"])
    names = x509.load_pem_x509_certificate(files.server.read_bytes()).extensions.get_extension_for_class(
        x509.SubjectAlternativeName
    )
    assert {"localhost", "data.example.org"} <= set(names.value.get_values_for_type(x509.DNSName))
    addresses = {str(each) for each in names.value.get_values_for_type(x509.IPAddress)}
    assert {"127.0.0.1", "::1"} <= addresses


def test_certificate_is_signed_by_the_ca(tmp_path: Path) -> None:
    files = ensure_certificates(tmp_path)
    ca = x509.load_pem_x509_certificate(files.ca.read_bytes())
    x509.load_pem_x509_certificate(files.server.read_bytes()).verify_directly_issued_by(ca)
    ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(files.server, files.server_key)


def test_certificates_are_kept_until_names_are_missing(tmp_path: Path) -> None:
    first = ensure_certificates(tmp_path).server.read_bytes()
    assert ensure_certificates(tmp_path).server.read_bytes() == first
    ca = (tmp_path / "ca.pem").read_bytes()
    assert ensure_certificates(tmp_path, ["new.example.org"]).server.read_bytes() != first
    assert (tmp_path / "ca.pem").read_bytes() == ca
