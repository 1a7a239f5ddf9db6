from __future__ import annotations

from runtime.identity import SpacePrivilege
from services.zone.domain.privileges import (
    ADMIN_ALL,
    ADMIN_VIEWER,
    GROUP,
    SPACE,
)


def test_member_set_is_the_default_of_invitations() -> None:
    assert SPACE.names_of(SPACE.member) == [
        "space_view",
        "space_read_data",
        "space_write_data",
        "space_view_transfers",
    ]


def test_levels_hold_the_lower_ones() -> None:
    assert SPACE.member & SPACE.manager == SPACE.member
    assert SPACE.manager & SPACE.all == SPACE.manager
    assert len(SPACE.names_of(SPACE.manager)) == 25
    assert len(SPACE.names_of(SPACE.all)) == 39


def test_manager_set_ends_where_the_admin_set_begins() -> None:
    added = SPACE.names_of(SPACE.all & ~SPACE.manager)
    assert added[0] == "space_update"
    assert "space_manage_shares" not in added


def test_names_and_masks_mean_the_same() -> None:
    assert SPACE.mask_of_names(SPACE.names) == SPACE.all
    assert SPACE.mask_of_names(["space_read_data"]) == 1 << SpacePrivilege.READ_DATA


def test_groups_have_levels_of_their_own() -> None:
    levels = GROUP.levels()
    assert levels["member"] == ["group_view"]
    assert levels["manager"][-1] == "group_remove_atm_inventory"
    assert [len(levels[level]) for level in ("member", "manager", "admin")] == [1, 12, 23]


def test_viewers_only_look() -> None:
    assert set(ADMIN_VIEWER) < set(ADMIN_ALL)
    assert "oz_spaces_list_relationships" in ADMIN_VIEWER
    assert not any(name.endswith(("_create", "_update", "_delete", "_manage")) for name in ADMIN_VIEWER)
    assert len(set(ADMIN_ALL)) == len(ADMIN_ALL)
