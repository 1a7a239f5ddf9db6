"""Parameters that say which attributes of files are told."""

from __future__ import annotations

from dataclasses import dataclass

from runtime.http.declared import Param, mentioned
from runtime.http.params import Params
from services.gateway.api.rest.operations import Call
from services.gateway.domain import attributes
from services.gateway.domain.attributes import Selection

_ONE_XATTR = {"type": "string", "pattern": "^xattr[.].+$"}


def _names(key: str) -> dict[str, object]:
    one = {"anyOf": [{"type": "string", "enum": list(attributes.names_of(key))}, _ONE_XATTR]}
    return {"type": "array", "items": one}


def selects(default: Selection, *, also: tuple[str, ...] = ()) -> Param[Selection]:
    """`attributes` or the deprecated `attribute`: one name or several. `also`: as in `attributes.select`."""
    return Param(
        "attributes",
        "What to tell, by current names; `xattr.<name>` is one extended attribute. Repeated in a query.",
        _names("attributes"),
        lambda params: attributes.select(params, default, also=also),
        errors=("badValueNotAllowed",),
    )


@dataclass(frozen=True, slots=True)
class Asked:
    """What a request asks for, of files and of what is shared. Of the latter less can be told."""

    params: Params
    default: Selection
    public_default: Selection

    def of(self, call: Call) -> Selection:
        """The selection for the file of a call. Raises ApiError `badValueNotAllowed`."""
        default = self.public_default if call.is_public else self.default
        return attributes.select(self.params, default, public=call.is_public)


def selects_shared(default: Selection, public_default: Selection) -> Param[Asked]:
    """The same for a route that share ids may use."""
    told = selects(default)
    return Param(
        told.name,
        told.about,
        told.schema,
        lambda params: Asked(params, default, public_default),
        errors=told.errors,
    )


DEPRECATED = mentioned(
    "attribute", "The same by deprecated names. Without both, the answer has both names.", _names("attribute")
)
