from __future__ import annotations

from dataclasses import replace

from services.zone.domain.entities import Note
from services.zone.domain.stores import Stores

NOTE = Note("1", 5, "usr-u1", "192.0.2.1", "add_user", ("s1", "u2"), {"privileges": ["$x.y"]}, "r1")


async def _ids(
    stores: Stores, *, who: str = "", about: str = "", before: str = "", limit: int = 9
) -> list[str]:
    found = await stores.audit.list(who=who or None, about=about or None, before=before or None, limit=limit)
    return [note.id for note in found]


async def test_note_is_completed(stores: Stores) -> None:
    await stores.audit.begin(NOTE)
    assert await stores.audit.list(who=None, about=None, before=None, limit=9) == [NOTE]
    done = replace(NOTE, about=(*NOTE.about, "new"), done=True)
    await stores.audit.finish(done)
    assert await stores.audit.list(who=None, about=None, before=None, limit=9) == [done]


async def test_what_was_refused_leaves_no_note(stores: Stores) -> None:
    await stores.audit.begin(NOTE)
    await stores.audit.cancel(NOTE.id)
    assert await _ids(stores) == []


async def test_notes_are_chosen_and_paged_latest_first(stores: Stores) -> None:
    for number in range(1, 6):
        about = ("s1",) if number % 2 else ("s2", f"u{number}")
        await stores.audit.begin(replace(NOTE, id=str(number), who=f"usr-u{number % 2}", about=about))
    assert await _ids(stores, limit=2) == ["5", "4"]
    assert await _ids(stores, before="4") == ["3", "2", "1"]
    assert await _ids(stores, who="usr-u0") == ["4", "2"]
    assert await _ids(stores, about="s1", before="5") == ["3", "1"]
    assert await _ids(stores, about="u4") == ["4"]


async def test_who_had_a_provider_do_it_is_found_too(stores: Stores) -> None:
    await stores.audit.begin(replace(NOTE, who="prv-p1", on_behalf_of="usr-u2"))
    await stores.audit.begin(replace(NOTE, id="2", who="usr-u2"))
    assert await _ids(stores, who="usr-u2") == ["2", "1"]
    assert await _ids(stores, who="prv-p1") == ["1"]
    assert await _ids(stores, who="usr-u2", about="s1", limit=1) == ["2"]
