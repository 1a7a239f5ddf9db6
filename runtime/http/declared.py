"""Parameters declared once: what reads them from a request is what tells of them in the API's description.

A route names its parameters as constants; the reading of one raises ApiError as `Params` does for its type.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Generic, TypeVar

from runtime.http.errors import ApiError
from runtime.http.params import Params

T = TypeVar("T")
Schema = Mapping[str, Any]


class Param(Generic[T]):
    """One parameter: its name, what it means, its JSON schema, and how it is read.

    `errors`: ids of the catalogue that reading may raise. `required`: whether a request must have it.
    """

    def __init__(
        self,
        name: str,
        about: str,
        schema: Schema,
        read: Callable[[Params], T],
        *,
        errors: Sequence[str] = (),
        required: bool = False,
        in_body: bool = False,
    ) -> None:
        """`in_body`: it is told of as a key of the JSON body even where methods have their parameters in the
        query, since a query cannot express it."""
        self.name = name
        self.about = about
        self.schema = schema
        self.read = read
        self.required = required
        self.in_body = in_body
        self.errors = (*errors, "missingRequiredValue") if required else tuple(errors)


def mentioned(name: str, about: str, schema: Schema) -> Param[None]:
    """Told of under its own name, and read together with another one, or a hint without effect."""
    return Param(name, about, schema, lambda _: None)


def flag(name: str, about: str, *, default: bool = False) -> Param[bool]:
    """True or false."""
    return Param(
        name,
        about,
        {"type": "boolean", "default": default},
        lambda params: params.boolean(name, default),
        errors=("badValueBoolean",),
    )


def integer(
    name: str, about: str, *, default: int, low: int | None = None, high: int | None = None
) -> Param[int]:
    """A number within limits."""

    def read(params: Params) -> int:
        value = params.integer(name, default, low=low, high=high)
        return default if value is None else value

    schema = {**_integer_schema(low, high), "default": default}
    return Param(name, about, schema, read, errors=_integer_errors(low, high))


def optional_integer(
    name: str, about: str, *, low: int | None = None, high: int | None = None
) -> Param[int | None]:
    """A number within limits, or None."""
    return Param(
        name,
        about,
        _integer_schema(low, high),
        lambda params: params.integer(name, low=low, high=high),
        errors=_integer_errors(low, high),
    )


def text(name: str, about: str, *, empty: bool = True) -> Param[str | None]:
    """A text, or None; `empty=False` refuses the empty one."""
    return Param(
        name,
        about,
        _text_schema(empty=empty),
        lambda params: params.string(name, empty=empty),
        errors=_text_errors(empty=empty),
    )


def path_text(name: str, about: str) -> Param[str]:
    """A path or the beginning of one, empty by default."""

    def read(params: Params) -> str:
        value = params.string(name) or ""
        if "\0" in value:
            raise ApiError("badValueFilePath")
        return value

    return Param(name, about, _text_schema(empty=True), read, errors=("badValueString", "badValueFilePath"))


def required_text(name: str, about: str, *, empty: bool = False) -> Param[str]:
    """A text that must be there."""
    return Param(
        name,
        about,
        _text_schema(empty=empty),
        lambda params: params.required_string(name, empty=empty),
        errors=_text_errors(empty=empty),
        required=True,
    )


def choice(name: str, about: str, allowed: Sequence[str], *, default: str) -> Param[str]:
    """One of some texts."""
    return Param(
        name,
        about,
        {"type": "string", "enum": list(allowed), "default": default},
        lambda params: params.choice(name, default, allowed),
        errors=("badValueString", "badValueNotAllowed"),
    )


def required_choice(name: str, about: str, allowed: Sequence[str]) -> Param[str]:
    """One of some texts; it must be there."""

    def read(params: Params) -> str:
        params.required_string(name, empty=True)
        return params.choice(name, "", allowed)

    return Param(
        name,
        about,
        {"type": "string", "enum": list(allowed)},
        read,
        errors=("badValueString", "badValueNotAllowed"),
        required=True,
    )


def required_texts(name: str, about: str) -> Param[list[str]]:
    """A list of texts that must be there; a single text is none."""

    def read(params: Params) -> list[str]:
        values = params.strings(name)
        if values is None:
            raise ApiError("missingRequiredValue", {"key": name})
        return values

    return Param(
        name,
        about,
        {"type": "array", "items": {"type": "string"}},
        read,
        errors=("badValueListOfStrings",),
        required=True,
        in_body=True,
    )


_MODE_ERRORS = ("badValueString", "badValueInteger", "badValueNotInRange")
_MODE_SCHEMA: Schema = {"type": "string", "pattern": "^[01]?[0-7]{1,3}$", "examples": ["644"]}


def mode(name: str, about: str) -> Param[int | None]:
    """Permission bits in octal digits, or None."""
    return Param(name, about, _MODE_SCHEMA, lambda params: params.mode(name), errors=_MODE_ERRORS)


def required_mode(name: str, about: str) -> Param[int]:
    """Permission bits in octal digits; they must be there."""

    def read(params: Params) -> int:
        value = params.mode(name)
        if value is None:
            raise ApiError("missingRequiredValue", {"key": name})
        return value

    return Param(name, about, _MODE_SCHEMA, read, errors=_MODE_ERRORS, required=True)


def _integer_schema(low: int | None, high: int | None) -> dict[str, Any]:
    limits = {"minimum": low, "maximum": high}
    return {"type": "integer"} | {key: limit for key, limit in limits.items() if limit is not None}


def _integer_errors(low: int | None, high: int | None) -> tuple[str, ...]:
    if low is not None and high is not None:
        return ("badValueInteger", "badValueNotInRange")
    if low is not None:
        return ("badValueInteger", "badValueTooLow")
    return ("badValueInteger",) if high is None else ("badValueInteger", "badValueTooHigh")


def _text_schema(*, empty: bool) -> Schema:
    return {"type": "string"} if empty else {"type": "string", "minLength": 1}


def _text_errors(*, empty: bool) -> tuple[str, ...]:
    return ("badValueString",) if empty else ("badValueString", "badValueEmpty")


class Arguments:
    """The values of a route's declared parameters, in the order of their declaration: the first bad one is
    told. Asking for a parameter that the route does not declare is a bug, and a KeyError."""

    __slots__ = ("_values",)

    def __init__(self, declared: Sequence[Param[Any]], params: Params) -> None:
        self._values = {param: param.read(params) for param in declared}

    def __getitem__(self, param: Param[T]) -> T:
        value: T = self._values[param]
        return value
