"""Consul of a site: the token without which it tells and takes nothing."""

from __future__ import annotations

import json
import uuid
from dataclasses import dataclass
from pathlib import Path

from runtime.secret_file import write_secret


@dataclass(frozen=True)
class Secrets:
    """The files of one agent. `token` opens it; `configuration` tells the agent so, at its start."""

    token: Path
    configuration: Path

    @classmethod
    def below(cls, folder: Path, suffix: str = "") -> Secrets:
        """Where they are. `suffix`: of the site."""
        return cls(folder / f"consul{suffix}.token", folder / f"consul{suffix}.json")

    def ensure(self) -> None:
        """Makes what is missing."""
        if not self.token.exists():
            write_secret(self.token, str(uuid.uuid4()).encode())
        token = self.token.read_text()
        # All versions know the first token of all under this name; newer ones call it initial_management.
        rules = {
            "enabled": True,
            "default_policy": "deny",
            "tokens": {"master": token, "agent": token},
        }
        write_secret(self.configuration, json.dumps({"acl": rules}, indent=1).encode())
