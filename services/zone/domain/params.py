"""The parameters of one request, taken by declared type."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Collection, Mapping, Sequence

from services.zone.domain import value_errors as bad

#: Largest integer anybody may send; the store keeps 64 bits.
MAX_INTEGER = (1 << 63) - 1

_INTEGER = re.compile(r"[+-]?[0-9]{1,30}", re.ASCII)


class Params:
    """Values by key. A `null` counts as absent, unknown keys are ignored."""

    def __init__(self, values: Mapping[str, object]) -> None:
        self._values = values

    def __contains__(self, key: str) -> bool:
        return self._values.get(key) is not None

    def given(self, key: str) -> bool:
        """Whether the key is there at all, be it with `null`."""
        return key in self._values

    def at_least_one(self, *keys: str) -> None:
        """Refuses a request with none of these."""
        if not any(key in self for key in keys):
            raise bad.MissingAtLeastOneValue.of(keys=sorted(keys))

    def value(self, key: str) -> object:
        """The value as it came; raises MissingRequiredValue when absent."""
        value = self._values.get(key)
        if value is None:
            raise bad.MissingRequiredValue.of(key=key)
        return value

    def text(self, key: str, *, empty: bool = False) -> str:
        """A required text."""
        value = self.value(key)
        if not isinstance(value, str):
            raise bad.BadValueString.of(key=key)
        if not value and not empty:
            raise bad.BadValueEmpty.of(key=key)
        return value

    def find_text(self, key: str, *, empty: bool = False) -> str | None:
        """A text that may be absent."""
        return self.text(key, empty=empty) if key in self else None

    def choice(self, key: str, allowed: Sequence[str]) -> str:
        """One of some texts."""
        value = self.text(key, empty=True)
        if value not in allowed:
            raise bad.BadValueNotAllowed.of(key=key, allowed=list(allowed))
        return value

    def boolean(self, key: str) -> bool:
        """A required JSON boolean."""
        value = self.value(key)
        if not isinstance(value, bool):
            raise bad.BadValueBoolean.of(key=key)
        return value

    def flag(self, key: str, *, default: bool = False) -> bool:
        """A JSON boolean that may be absent."""
        return self.boolean(key) if key in self else default

    def integer(self, key: str, *, low: int) -> int:
        """A required integer, at least `low`."""
        value = self.value(key)
        if isinstance(value, str) and _INTEGER.fullmatch(value):
            value = int(value)
        if not isinstance(value, int) or isinstance(value, bool) or value > MAX_INTEGER:
            raise bad.BadValueInteger.of(key=key)
        if value < low:
            raise bad.BadValueTooLow.of(key=key, limit=low)
        return value

    def number(self, key: str, *, low: float, high: float) -> float:
        """A required number within a range."""
        value = self.value(key)
        if not isinstance(value, int | float) or isinstance(value, bool):
            raise bad.BadValueFloat.of(key=key)
        # Written so that NaN is refused, too.
        if not low <= value <= high:
            raise bad.BadValueNotInRange.of(key=key, low=low, high=high)
        return float(value)

    def texts(self, key: str, *, allowed: Collection[str] | None = None) -> list[str]:
        """A list of texts, empty when absent."""
        value = self._values.get(key)
        if value is None:
            return []
        if not isinstance(value, list) or not all(isinstance(item, str) for item in value):
            raise bad.BadValueListOfStrings.of(key=key)
        if allowed is not None and not set(value) <= set(allowed):
            raise bad.BadValueListNotAllowed.of(key=key, allowed=list(allowed))
        return value

    def record(self, key: str) -> dict[str, object]:
        """A JSON object, empty when absent."""
        value = self._values.get(key)
        if value is None:
            return {}
        if not isinstance(value, dict):
            raise bad.BadValueJson.of(key=key)
        return value

    def ipv4(self, key: str) -> str:
        """A required IPv4 address."""
        value = self.value(key)
        try:
            if isinstance(value, str):
                return str(ipaddress.IPv4Address(value))
        except ValueError:
            pass
        raise bad.BadValueIPv4Address.of(key=key)
