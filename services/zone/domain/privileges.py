"""Sets of privileges: in a space as a mask of bits, of administrators as names."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from runtime.identity import SpacePrivilege as P


def mask_of(privileges: Iterable[P]) -> int:
    """One number for a set: bit n is privilege n."""
    mask = 0
    for privilege in privileges:
        mask |= 1 << privilege
    return mask


def names_of(mask: int) -> list[str]:
    """The names in REST, in the order of the numbers."""
    return [privilege.rest_name for privilege in P if mask >> privilege & 1]


def mask_of_names(names: Sequence[str]) -> int:
    """The mask of names in REST, which must be known."""
    return mask_of(_BY_NAME[name] for name in names)


_BY_NAME = {privilege.rest_name: privilege for privilege in P}

#: All names of space privileges, for checks of parameters.
SPACE_NAMES: tuple[str, ...] = tuple(_BY_NAME)

#: The numbers of the privileges were given level by level, so a level is all up to its last one.
SPACE_MEMBER = mask_of(P(number) for number in range(P.VIEW, P.VIEW_TRANSFERS + 1))
SPACE_MANAGER = mask_of(P(number) for number in range(P.VIEW, P.SCHEDULE_ATM_WORKFLOW_EXECUTIONS + 1))
SPACE_ALL = mask_of(P)


def _family(thing: str, *verbs: str) -> list[str]:
    return [f"oz_{thing}_{verb}" for verb in verbs]


_RELATIONS = ("list_relationships", "add_relationships", "remove_relationships")
_PRIVILEGES = ("view_privileges", "set_privileges")

#: Privileges over the whole zone, `oz_...`.
ADMIN_ALL: tuple[str, ...] = (
    "oz_view_privileges",
    "oz_set_privileges",
    "oz_tokens_manage",
    *_family("users", "list", "view", "create", "manage_passwords", "update", "delete", *_RELATIONS),
    *_family("groups", "list", "view", "create", "update", "delete", *_PRIVILEGES, *_RELATIONS),
    *_family("spaces", "list", "view", "create", "update", "delete", *_PRIVILEGES, *_RELATIONS),
    *_family("shares", "list", "view", "create", "update", "delete"),
    *_family("providers", "list", "view", "update", "delete", "list_relationships", "invite"),
    *_family("clusters", "list", "view", "update", *_PRIVILEGES, *_RELATIONS),
    *(
        name
        for thing in ("handle_services", "handles", "harvesters", "atm_inventories")
        for name in _family(thing, "list", "view", "create", "update", "delete", *_PRIVILEGES, *_RELATIONS)
    ),
)

#: Those that only look.
ADMIN_VIEWER: tuple[str, ...] = tuple(
    name for name in ADMIN_ALL if name.endswith(("_list", "_view", "_list_relationships"))
)
