"""Hands a log-in over from a browser to the program that sent the browser: `isthmus login`.

As RFC 8252 has it for programs: the browser ends at an address of the user's own machine with a code that is
worth nothing without the verifier, which never left the program (PKCE, S256). The code is sealed, so nothing
has to be kept here, and any instance of the zone can redeem it.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import re
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import urlencode

import orjson
from cryptography.fernet import Fernet, InvalidToken

from runtime.clock import Clock
from services.zone.domain.params import Params
from services.zone.domain.value_errors import BadData, BadValueNotInRange

#: How long a code can be redeemed; by hand it takes a while.
CODE_LIFE_S = 600
LOWEST_PORT, HIGHEST_PORT = 1024, 65535
_CHALLENGE = re.compile(r"[A-Za-z0-9_-]{43}")


@dataclass(frozen=True, slots=True)
class Listener:
    """A program on the user's machine that waits at `port`; it alone can answer `challenge`."""

    port: int
    challenge: str

    @classmethod
    def of(cls, query: Mapping[str, object]) -> Listener | None:
        """From `loopbackPort` and `codeChallenge`; None where neither is given. Raises ValueErrors."""
        params = Params(query)
        if "loopbackPort" not in params and "codeChallenge" not in params:
            return None
        port = params.integer("loopbackPort", low=LOWEST_PORT)
        if port > HIGHEST_PORT:
            raise BadValueNotInRange.of(key="loopbackPort", low=LOWEST_PORT, high=HIGHEST_PORT)
        challenge = params.text("codeChallenge")
        if not _CHALLENGE.fullmatch(challenge):
            raise BadData.of(key="codeChallenge")
        return cls(port, challenge)

    def address(self, code: str) -> str:
        """Where the browser takes the code: never anywhere but to its own machine."""
        return f"http://127.0.0.1:{self.port}/?{urlencode({'code': code})}"


class Handovers:
    """Makes and redeems codes. `seal` is that of nothing else."""

    def __init__(self, seal: Fernet, clock: Clock) -> None:
        self._seal = seal
        self._clock = clock

    def code(self, user_id: str, listener: Listener) -> str:
        """What the browser carries."""
        sealed = orjson.dumps([user_id, listener.challenge])
        return self._seal.encrypt_at_time(sealed, self._now_s()).decode()

    def redeem(self, code: str, verifier: str) -> str:
        """The user who logged in. Raises BadData for a code that is no good, or not this program's."""
        try:
            sealed = self._seal.decrypt_at_time(code.encode(), CODE_LIFE_S, self._now_s())
        except (InvalidToken, UnicodeError):
            raise BadData.of(key="code") from None
        user_id, challenge = orjson.loads(sealed)
        digest = hashlib.sha256(verifier.encode(errors="surrogatepass")).digest()
        answer = base64.urlsafe_b64encode(digest).rstrip(b"=")
        if not hmac.compare_digest(answer, str(challenge).encode()):
            raise BadData.of(key="codeVerifier")
        return str(user_id)

    def _now_s(self) -> int:
        return self._clock.now_ms() // 1000
