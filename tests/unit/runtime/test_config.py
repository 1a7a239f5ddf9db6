from __future__ import annotations

import json
from pathlib import Path

import pytest
from pydantic import SecretStr, ValidationError

from runtime.config import (
    BadSettings,
    ConsulAddress,
    MongoSettings,
    ProviderFile,
    RuntimeSettings,
    read_settings,
)


class Settings(RuntimeSettings):
    service_name = "metadata"
    mongo_password: int


@pytest.fixture(autouse=True)
def _environment(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("ISTHMUS_INSTANCE_ID", "metadata-1")
    monkeypatch.setenv("ISTHMUS_CLUSTER_KEY_FILE", "/keys/cluster.key")
    monkeypatch.setenv("ISTHMUS_MONGO_PASSWORD", "1234")


def test_settings_come_from_the_environment():
    settings = read_settings(Settings)
    assert settings.cluster_key_file == Path("/keys/cluster.key")
    assert settings.mongo_password == 1234


def test_an_empty_variable_is_not_set(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("ISTHMUS_GRPC_PORT", "")
    assert read_settings(Settings).grpc_port == 0


def test_every_wrong_variable_is_named(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("ISTHMUS_GRPC_PORT", "70000")
    monkeypatch.delenv("ISTHMUS_INSTANCE_ID")
    with pytest.raises(BadSettings) as caught:
        read_settings(Settings)
    assert "ISTHMUS_GRPC_PORT: " in str(caught.value)
    assert "ISTHMUS_INSTANCE_ID: Field required" in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_wrong_value_is_never_repeated(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("ISTHMUS_MONGO_PASSWORD", "hunter2")
    with pytest.raises(BadSettings) as caught:
        read_settings(Settings)
    assert "hunter2" not in str(caught.value)


def test_settings_do_not_change():
    settings = read_settings(Settings)
    with pytest.raises(ValidationError):
        settings.grpc_port = 1  # type: ignore[misc]


def test_others_are_told_where_it_listens(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("ISTHMUS_LISTEN_HOST", "10.1.2.3")
    assert read_settings(Settings).advertise_host == "10.1.2.3"


def test_listening_everywhere_tells_a_real_address(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("ISTHMUS_LISTEN_HOST", "0.0.0.0")
    assert read_settings(Settings).advertise_host not in ("", "0.0.0.0")


def test_a_given_address_wins(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("ISTHMUS_ADVERTISE_HOST", "metadata.internal")
    assert read_settings(Settings).advertise_host == "metadata.internal"


PROVIDER = {
    "provider_id": "p1",
    "root_token": "very-secret",
    "name": "Krakow",
    "domain": "localhost:8443",
    "zone_domain": "zone.test",
}


def test_a_provider_file_is_read(tmp_path: Path):
    path = tmp_path / "provider.json"
    path.write_text(json.dumps(PROVIDER))
    provider = ProviderFile.load(path)
    assert provider.provider_id == "p1"
    assert provider.root_token.get_secret_value() == "very-secret"
    assert "very-secret" not in repr(provider)


@pytest.mark.parametrize("content", ["", "[]", '{"root_token": "very-secret"}'])
def test_a_broken_provider_file_is_told_without_its_content(tmp_path: Path, content: str):
    path = tmp_path / "provider.json"
    path.write_text(content)
    with pytest.raises(BadSettings, match=r"provider\.json") as caught:
        ProviderFile.load(path)
    assert "very-secret" not in str(caught.value)


def test_an_absent_provider_file_is_told(tmp_path: Path):
    with pytest.raises(BadSettings, match="No such file"):
        ProviderFile.load(tmp_path / "absent.json")


def _told(file: Path) -> MongoSettings:
    return MongoSettings(cluster_key_file=file, mongo_url=SecretStr("mongodb://h"), mongo_password_file=file)


def test_a_password_of_the_database_comes_from_its_file(tmp_path: Path):
    file = tmp_path / "mongo.password"
    file.write_text("secret\n")
    assert _told(file).mongo_password() == "secret"


def test_an_absent_password_file_is_told(tmp_path: Path):
    with pytest.raises(BadSettings, match="gone: No such file"):
        _told(tmp_path / "gone").mongo_password()


def test_the_token_for_consul_comes_from_its_file(tmp_path: Path):
    file = tmp_path / "consul.token"
    file.write_text("secret\n")
    settings = RuntimeSettings(cluster_key_file=file, consul_url="http://c:1", consul_token_file=file)
    assert settings.consul == ConsulAddress("http://c:1", "secret")
    assert "secret" not in repr(settings.consul)
