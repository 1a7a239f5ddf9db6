"""Replaces the root token by which a provider is known to its zone.

First there are two, then the file names the new one, then all others end. So the provider can speak to the
zone at any moment, and a run that was broken off is made good by another.
"""

from __future__ import annotations

import json
import secrets
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import quote

from clients.http_api import ClientError, HttpApi, json_object
from clients.zone_things import API
from runtime.secret_file import write_secret

#: The zone, as the owner of a token.
OpenZone = Callable[[str], HttpApi]


class RootToken:
    """The root token in a provider file. Methods raise ClientError, and OSError about the file."""

    def __init__(self, file: Path, open_zone: OpenZone) -> None:
        self._file = file
        self._open_zone = open_zone

    def replace(self) -> None:
        """A new token, and the file with it in the place of the old one; the old token is good still."""
        provider = self._provider()
        with self._open_zone(provider["root_token"]) as zone:
            body = {"name": f"root token {secrets.token_hex(6)}"}
            made = json_object(zone.request("POST", f"{API}/provider/tokens/named", body=body))
            renewed = {**provider, "root_token": made["token"]}
            try:
                write_secret(self._file, json.dumps(renewed, indent=1).encode())
            except OSError:
                zone.request("DELETE", f"{API}/tokens/named/{quote(made['tokenId'])}")
                raise

    def end_others(self) -> int:
        """Ends every token of the provider but the one in the file; tells how many named ones.

        All of them: whoever had an old root token may have made others by it. The token of the file is
        used for it, so a bad one ends nothing.
        """
        token = self._provider()["root_token"]
        with self._open_zone(token) as zone:
            own_id = json_object(zone.request("POST", f"{API}/tokens/examine", body={"token": token}))["id"]
            named = json_object(zone.request("GET", f"{API}/provider/tokens/named"))["tokens"]
            if own_id not in named:
                raise ClientError(f"{self._file} holds no named token of its provider")
            others = [token_id for token_id in named if token_id != own_id]
            for token_id in others:
                zone.request("DELETE", f"{API}/tokens/named/{quote(token_id)}")
            zone.request("DELETE", f"{API}/provider/tokens/temporary")
        return len(others)

    def _provider(self) -> dict[str, Any]:
        try:
            found = json.loads(self._file.read_bytes())
        except ValueError:
            found = None
        if not isinstance(found, dict) or not isinstance(found.get("root_token"), str):
            raise ClientError(f"{self._file} is no provider file")
        return found
