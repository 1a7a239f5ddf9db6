"""Parameters that say which attributes of files are told."""

from __future__ import annotations

from runtime.http.declared import Param, mentioned
from services.gateway.domain import attributes
from services.gateway.domain.attributes import Selection

_ONE_XATTR = {"type": "string", "pattern": "^xattr[.].+$"}


def _names(key: str) -> dict[str, object]:
    one = {"anyOf": [{"type": "string", "enum": list(attributes.names_of(key))}, _ONE_XATTR]}
    return {"type": "array", "items": one}


def selects(default: Selection) -> Param[Selection]:
    """`attributes` or the deprecated `attribute`: one name or several."""
    return Param(
        "attributes",
        "What to tell, by current names; `xattr.<name>` is one extended attribute. Repeated in a query.",
        _names("attributes"),
        lambda params: attributes.select(params, default),
        errors=("badValueNotAllowed",),
    )


DEPRECATED = mentioned(
    "attribute", "The same by deprecated names. Without both, the answer has both names.", _names("attribute")
)
