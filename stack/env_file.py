"""stack.env: how outside tools find a running stack, as shell KEY=value lines."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from pathlib import Path

from runtime.secret_file import write_secret
from stack.bootstrap import SPACE, Demo, ca_file, provider_id
from stack.layout import Layout


def values(layout: Layout, demo: Demo) -> dict[str, str]:
    """All keys. Those of a further provider end with its number, as in ISTHMUS_URL_2."""
    found = {"ISTHMUS_ADMIN_PASSWORD_FILE": str(layout.secrets / "admin.password")}
    for site in layout.sites:
        own = {
            "ONEZONE_HOST": layout.zone_domain,
            "ISTHMUS_URL": site.url,
            "ISTHMUS_CA": str(ca_file(layout) or ""),
            "ISTHMUS_TOKEN": demo.owner_token,
            "ISTHMUS_TOKEN_MEMBER": demo.member_token,
            "ISTHMUS_SPACE": SPACE,
            "ISTHMUS_SPACE_ID": demo.space_id,
            "ISTHMUS_PROVIDER_ID": provider_id(site),
            "ISTHMUS_OPERATOR_TOKEN_FILE": str(layout.secrets / f"operator{site.suffix}.token"),
        }
        found |= {f"{name}{site.suffix}": value for name, value in own.items()}
    return found


def write(file: Path, content: Mapping[str, str]) -> None:
    """Whole or not at all; readable by its owner only, for it holds tokens."""
    lines = [f"{name}={shlex.quote(value)}" for name, value in content.items()]
    write_secret(file, ("\n".join(lines) + "\n").encode())
