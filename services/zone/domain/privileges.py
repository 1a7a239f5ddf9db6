"""Sets of privileges: in a space or a group as a mask of bits, of administrators as names."""

from __future__ import annotations

import enum
from collections.abc import Iterable, Mapping, Sequence

from runtime.identity import SpacePrivilege


class GroupPrivilege(enum.IntEnum):
    """Privileges in a group, numbered level by level. Only the zone's own store keeps the numbers."""

    VIEW = 1
    VIEW_PRIVILEGES = 2
    ADD_USER = 3
    REMOVE_USER = 4
    ADD_PARENT = 5
    LEAVE_PARENT = 6
    ADD_CHILD = 7
    REMOVE_CHILD = 8
    ADD_HARVESTER = 9
    REMOVE_HARVESTER = 10
    ADD_ATM_INVENTORY = 11
    REMOVE_ATM_INVENTORY = 12
    UPDATE = 13
    DELETE = 14
    SET_PRIVILEGES = 15
    ADD_SPACE = 16
    LEAVE_SPACE = 17
    ADD_CLUSTER = 18
    LEAVE_CLUSTER = 19
    CREATE_HANDLE_SERVICE = 20
    LEAVE_HANDLE_SERVICE = 21
    CREATE_HANDLE = 22
    LEAVE_HANDLE = 23


def mask_of(privileges: Iterable[int]) -> int:
    """One number for a set: bit n is privilege n."""
    mask = 0
    for privilege in privileges:
        mask |= 1 << privilege
    return mask


class PrivilegeTable:
    """The privileges of one kind of thing: their names in REST, and the sets by level.

    The numbers were given level by level, so a level is all up to its last one.
    """

    def __init__(self, by_name: Mapping[str, int], *, last_of_members: int, last_of_managers: int) -> None:
        self._by_name = dict(by_name)
        numbers = self._by_name.values()
        self.member = mask_of(each for each in numbers if each <= last_of_members)
        self.manager = mask_of(each for each in numbers if each <= last_of_managers)
        self.all = mask_of(numbers)

    @property
    def names(self) -> tuple[str, ...]:
        """All names, for checks of parameters."""
        return tuple(self._by_name)

    def names_of(self, mask: int) -> list[str]:
        """The names in REST, in the order of the numbers."""
        return [name for name, privilege in self._by_name.items() if mask >> privilege & 1]

    def mask_of_names(self, names: Sequence[str]) -> int:
        """The mask of names in REST, which must be known."""
        return mask_of(self._by_name[name] for name in names)

    def levels(self) -> dict[str, list[str]]:
        """The sets by level, as REST tells them."""
        levels = {"member": self.member, "manager": self.manager, "admin": self.all}
        return {level: self.names_of(mask) for level, mask in levels.items()}


SPACE = PrivilegeTable(
    {each.rest_name: each for each in SpacePrivilege},
    last_of_members=SpacePrivilege.VIEW_TRANSFERS,
    last_of_managers=SpacePrivilege.SCHEDULE_ATM_WORKFLOW_EXECUTIONS,
)
GROUP = PrivilegeTable(
    {f"group_{each.name.lower()}": each for each in GroupPrivilege},
    last_of_members=GroupPrivilege.VIEW,
    last_of_managers=GroupPrivilege.REMOVE_ATM_INVENTORY,
)


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
