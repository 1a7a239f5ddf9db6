from __future__ import annotations

import pytest

from services.zone.domain import names
from services.zone.domain import value_errors as bad


@pytest.mark.parametrize("name", ["ab", "space 1", "(x)", "_a", "żółw 2.0-beta", "a" * 128])
def test_good_name_is_taken(name: str) -> None:
    assert names.check_name(name) == name


@pytest.mark.parametrize(
    "name", ["", "x", " ab", "ab ", "a/b", "-ab", "ab-", "a\nb", "a\0b", "a" * 129, "..", "a@b"]
)
def test_bad_name_is_refused_with_its_key(name: str) -> None:
    with pytest.raises(bad.BadValueName) as caught:
        names.check_name(name, key="name")
    assert caught.value.details == {"key": "name"}


@pytest.mark.parametrize("name", ["Jo", "Ann O'Hara", "X. Æ. A.", "Dr. No Jr."])
def test_good_full_name_is_taken(name: str) -> None:
    assert names.check_full_name(name) == name


@pytest.mark.parametrize("name", ["", "J", "J_o", "(Jo)", " Jo", "Jo-", "Jo!", "J" * 129])
def test_bad_full_name_is_refused(name: str) -> None:
    with pytest.raises(bad.BadValueFullName):
        names.check_full_name(name)


@pytest.mark.parametrize("name", ["jo", "a.b-c_d", "J0", "a" * 32])
def test_good_username_is_taken(name: str) -> None:
    assert names.check_username(name) == name


@pytest.mark.parametrize("name", ["", "j", ".jo", "jo_", "jö", "a b", "a:b", "a" * 33])
def test_bad_username_is_refused(name: str) -> None:
    with pytest.raises(bad.BadValueUsername):
        names.check_username(name)


@pytest.mark.parametrize("password", ["", "1234567", "x" * 1025])
def test_bad_password_is_refused(password: str) -> None:
    with pytest.raises(bad.BadValuePassword):
        names.check_password(password)


@pytest.mark.parametrize("address", ["a@b", "joe.x+y@mail.example.org"])
def test_good_email_is_taken(address: str) -> None:
    assert names.check_email(address) == address


@pytest.mark.parametrize("address", ["", "a", "@b", "a@", "a b@c", "a@b c", "a@b\n"])
def test_bad_email_is_refused(address: str) -> None:
    with pytest.raises(bad.BadValueEmail):
        names.check_email(address)


@pytest.mark.parametrize("domain", ["localhost", "localhost:8443", "op.example.org", "127.0.0.1", "a-b.c"])
def test_good_domain_is_taken(domain: str) -> None:
    assert names.check_domain(domain) == domain


@pytest.mark.parametrize(
    "domain", ["", "Op.example.org", "-a.b", "a..b", "a:0", "a:65536", "a:x", "a/b", "a" * 254, "x.\n"]
)
def test_bad_domain_is_refused(domain: str) -> None:
    with pytest.raises(bad.BadValueDomain):
        names.check_domain(domain)
