"""Where a file lies, provider by provider, as users are told it.

This provider answers for itself; another one cannot be asked from here, and its entry says so for each of its
storages that support the space.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from runtime.http.errors import ApiError
from services.gateway.domain.providers import SupportingProvider

Told = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Replica:
    """What a provider holds of a regular file. No `storage_file_id`: nothing was ever written here."""

    virtual_size: int
    storage_id: str = ""
    storage_file_id: str = ""
    blocks: Sequence[tuple[int, int]] = ()


@dataclass(frozen=True, slots=True)
class Sizes:
    """What lies below a directory; bytes held here by storage."""

    virtual: int
    logical: int
    physical: Mapping[str, int]


def of_regular_file(own_id: str, providers: Iterable[SupportingProvider], replica: Replica) -> Told:
    """Blocks and sizes by provider and storage."""
    return {
        "type": "REG",
        "distributionPerProvider": {
            each.provider_id: _replica(each, replica) if each.provider_id == own_id else _unreachable(each)
            for each in providers
        },
    }


def of_symlink(providers: Iterable[SupportingProvider]) -> Told:
    """A link has no bytes anywhere."""
    return {
        "type": "SYMLNK",
        "distributionPerProvider": {
            each.provider_id: {
                "success": True,
                "virtualSize": 0,
                "distributionPerStorage": {id: {"physicalSize": 0} for id in each.storage_ids},
            }
            for each in providers
        },
    }


def of_directory(own_id: str, providers: Iterable[SupportingProvider], sizes: Sizes | ApiError) -> Told:
    """Sizes of all below a directory, or why this provider cannot tell them."""
    return {
        "type": "DIR",
        "distributionPerProvider": {
            each.provider_id: _sizes(each, sizes) if each.provider_id == own_id else _unreachable(each)
            for each in providers
        },
    }


def locations(own_id: str, providers: Iterable[SupportingProvider], replica: Replica) -> Told:
    """Storage files by provider and storage."""
    return {
        "locationsPerProvider": {
            each.provider_id: {"success": True, "locationsPerStorage": _storage_files(each, replica)}
            if each.provider_id == own_id
            else {"success": False, "error": _no_connection()}
            for each in providers
        }
    }


def _replica(provider: SupportingProvider, replica: Replica) -> Told:
    held = sum(size for _, size in replica.blocks)
    found = {"physicalSize": held, "blocks": [[offset, size] for offset, size in replica.blocks]}
    nothing = {"physicalSize": 0, "blocks": []}
    storage_files = _storage_files(provider, replica)
    return {
        "success": True,
        "virtualSize": replica.virtual_size,
        "distributionPerStorage": {
            id: found if id == replica.storage_id else nothing for id in storage_files
        },
        "locationsPerStorage": storage_files,
    }


def _storage_files(provider: SupportingProvider, replica: Replica) -> dict[str, str | None]:
    found: dict[str, str | None] = dict.fromkeys(provider.storage_ids)
    if replica.storage_file_id:
        found[replica.storage_id] = replica.storage_file_id
    return found


def _sizes(provider: SupportingProvider, sizes: Sizes | ApiError) -> Told:
    if isinstance(sizes, ApiError):
        return _failed(provider, sizes)
    storage_ids = dict.fromkeys((*provider.storage_ids, *sizes.physical))
    return {
        "success": True,
        "virtualSize": sizes.virtual,
        "logicalSize": sizes.logical,
        "distributionPerStorage": {id: {"physicalSize": sizes.physical.get(id, 0)} for id in storage_ids},
    }


def _unreachable(provider: SupportingProvider) -> Told:
    return _failed(provider, ApiError("noConnectionToPeerOneprovider"))


def _failed(provider: SupportingProvider, error: ApiError) -> Told:
    told = error.inner()
    return {
        "success": False,
        "distributionPerStorage": {id: {"error": told} for id in provider.storage_ids},
    }


def _no_connection() -> Told:
    return ApiError("noConnectionToPeerOneprovider").inner()
