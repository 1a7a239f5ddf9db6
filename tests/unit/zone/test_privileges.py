from __future__ import annotations

from runtime.identity import SpacePrivilege
from services.zone.domain.privileges import (
    ADMIN_ALL,
    ADMIN_VIEWER,
    SPACE_ALL,
    SPACE_MANAGER,
    SPACE_MEMBER,
    SPACE_NAMES,
    mask_of_names,
    names_of,
)


def test_member_set_is_the_default_of_invitations() -> None:
    assert names_of(SPACE_MEMBER) == [
        "space_view",
        "space_read_data",
        "space_write_data",
        "space_view_transfers",
    ]


def test_levels_hold_the_lower_ones() -> None:
    assert SPACE_MEMBER & SPACE_MANAGER == SPACE_MEMBER
    assert SPACE_MANAGER & SPACE_ALL == SPACE_MANAGER
    assert len(names_of(SPACE_MANAGER)) == 25
    assert len(names_of(SPACE_ALL)) == 39


def test_manager_set_ends_where_the_admin_set_begins() -> None:
    added = names_of(SPACE_ALL & ~SPACE_MANAGER)
    assert added[0] == "space_update"
    assert "space_manage_shares" not in added


def test_names_and_masks_mean_the_same() -> None:
    assert mask_of_names(SPACE_NAMES) == SPACE_ALL
    assert mask_of_names(["space_read_data"]) == 1 << SpacePrivilege.READ_DATA


def test_viewers_only_look() -> None:
    assert set(ADMIN_VIEWER) < set(ADMIN_ALL)
    assert "oz_spaces_list_relationships" in ADMIN_VIEWER
    assert not any(name.endswith(("_create", "_update", "_delete", "_manage")) for name in ADMIN_VIEWER)
    assert len(set(ADMIN_ALL)) == len(ADMIN_ALL)
