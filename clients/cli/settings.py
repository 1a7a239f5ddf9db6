"""Where the command line finds a stack: environment first, then a file of KEY=value lines."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from clients.http_api import ClientError

DEFAULT_ENV_FILE = Path(".run/stack.env")


@dataclass(frozen=True, slots=True)
class Settings:
    """Plain values; secrets among them are never printed.

    `zone`: `host:port` or a URL. `operator_token` opens the gRPC services on the front door;
    `admin_password` is that of the zone's administrator.
    """

    url: str = ""
    zone: str = ""
    token: str = ""
    ca_file: Path | None = None
    operator_token: str = ""
    admin_user: str = "admin"
    admin_password: str = ""

    def provider_url(self) -> str:
        """URL of the provider's front door; ClientError that names the remedy when unknown."""
        if not self.url:
            raise ClientError(
                "no provider is known: set ISTHMUS_URL or give --env-file (`make up` writes one)"
            )
        return self.url if "://" in self.url else f"https://{self.url}"

    def zone_url(self) -> str:
        """URL of the zone; the provider's front door when none is set, as both may share one."""
        if not self.zone:
            return self.provider_url()
        return self.zone if "://" in self.zone else f"https://{self.zone}"

    def front_door(self) -> str:
        """`host:port` of the provider's front door, for gRPC."""
        parts = urlsplit(self.provider_url())
        return f"{parts.hostname}:{parts.port or 443}"


def load(env: Mapping[str, str], env_file: Path | None) -> Settings:
    """Reads the environment, and below it the file; one asked for, also by ISTHMUS_ENV_FILE, must exist."""
    values: dict[str, str] = {}
    env_file = env_file or (Path(env["ISTHMUS_ENV_FILE"]) if env.get("ISTHMUS_ENV_FILE") else None)
    path = env_file or DEFAULT_ENV_FILE
    if path.exists():
        values.update(read_env_file(path))
    elif env_file is not None:
        raise ClientError(f"there is no file {env_file}")
    values.update({name: value for name, value in env.items() if value})
    ca_file = values.get("ISTHMUS_CA", "")
    return Settings(
        url=values.get("ISTHMUS_URL", ""),
        zone=values.get("ONEZONE_HOST", ""),
        token=_secret(values, "ISTHMUS_TOKEN"),
        ca_file=Path(ca_file) if ca_file else None,
        operator_token=_secret(values, "ISTHMUS_OPERATOR_TOKEN"),
        admin_user=values.get("ISTHMUS_ADMIN_USER", "admin"),
        admin_password=_secret(values, "ISTHMUS_ADMIN_PASSWORD"),
    )


def _secret(values: Mapping[str, str], name: str) -> str:
    """The value of NAME, or what the file named by NAME_FILE holds.

    A file that this user may not read is as none: most commands need only one of the secrets.
    """
    if values.get(name):
        return values[name]
    path = values.get(f"{name}_FILE", "")
    try:
        return read_secret(Path(path)) if path else ""
    except ClientError:
        return ""


def read_secret(path: Path) -> str:
    """The first line of a file. Secrets come by file since a process list shows arguments."""
    try:
        return path.read_text().strip()
    except OSError as error:
        raise ClientError(f"cannot read {path}: {error.strerror}") from error


def read_env_file(path: Path) -> dict[str, str]:
    """KEY=value lines as a shell reads them, `export` and comments included."""
    found = {}
    try:
        text = path.read_text()
    except OSError as error:
        raise ClientError(f"cannot read {path}: {error.strerror}") from error
    for line in text.splitlines():
        try:
            words = shlex.split(line, comments=True)
        except ValueError as error:
            raise ClientError(f"{path} has a line that is no KEY=value: {error}") from error
        for word in words:
            name, equals, value = word.partition("=")
            if equals:
                found[name] = value
    return found
