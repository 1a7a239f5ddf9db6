from __future__ import annotations

import pytest

from runtime.entity_names import is_entity_name


@pytest.mark.parametrize("name", ["ab", "(x)", "Zażółć 2024-01.b", "_a", "a" * 128])
def test_names_of_letters_and_few_signs_are_good(name: str) -> None:
    assert is_entity_name(name)


@pytest.mark.parametrize("name", ["", "a", "-ab", "ab ", " ab", "a/b", "a\nb", "ab\n", "a" * 129])
def test_other_names_are_not(name: str) -> None:
    assert not is_entity_name(name)
