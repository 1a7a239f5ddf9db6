"""`/data/{id}/distribution` and `/data/{id}/storage_locations`: where a file lies."""

from __future__ import annotations

from collections.abc import Sequence

from isthmus.metadata.v1 import dir_stats_pb2, distribution_pb2

from runtime.errors import FailedPrecondition, NoSuchFile
from runtime.http.errors import ApiError, from_error
from services.gateway.api.http import Answer, json_answer
from services.gateway.api.namespace import ref
from services.gateway.api.ports import DirStats, Replicas
from services.gateway.api.rest.operations import Call
from services.gateway.domain import distribution
from services.gateway.domain.distribution import Replica, Sizes
from services.gateway.domain.files import DIRECTORY, REGULAR
from services.gateway.domain.providers import SpaceProviders, SupportingProvider


class DistributionRoutes:
    """A file that is gone is 404 here."""

    def __init__(self, replicas: Replicas, stats: DirStats, providers: SpaceProviders) -> None:
        self._replicas = replicas
        self._stats = stats
        self._providers = providers

    async def get(self, call: Call) -> Answer:
        """`GET …/distribution`."""
        answer = await self._find(call)
        providers = await self._supporting(call)
        if answer.file.type == REGULAR:
            told = distribution.of_regular_file(call.provider_id, providers, _replica(answer))
        elif answer.file.type == DIRECTORY:
            told = distribution.of_directory(call.provider_id, providers, await self._sizes(call))
        else:
            told = distribution.of_symlink(providers)
        return json_answer(told)

    async def get_locations(self, call: Call) -> Answer:
        """`GET …/storage_locations`, of regular files only."""
        answer = await self._find(call)
        if answer.file.type != REGULAR:
            raise ApiError("notSupported")
        providers = await self._supporting(call)
        return json_answer(distribution.locations(call.provider_id, providers, _replica(answer)))

    async def _sizes(self, call: Call) -> Sizes | ApiError:
        """What lies below a directory, or why that is not known."""
        try:
            request = dir_stats_pb2.GetDirStatsRequest(directory=ref(call.file))
            sums = (await self._stats.get_dir_stats(request)).sums
        except FailedPrecondition as error:
            return from_error(error, provider_id=call.provider_id)
        return Sizes(sums.virtual_size, sums.logical_size, dict(sums.physical_sizes))

    async def _find(self, call: Call) -> distribution_pb2.GetReplicaResponse:
        call.check_member()
        if call.file.is_user_root:
            raise ApiError("notSupported")
        try:
            return await self._replicas.get_replica(distribution_pb2.GetReplicaRequest(file=ref(call.file)))
        except NoSuchFile:
            raise ApiError("notFound") from None

    async def _supporting(self, call: Call) -> Sequence[SupportingProvider]:
        found = await self._providers.of_spaces([call.file.space_id])
        return found.get(call.file.space_id, ())


def _replica(answer: distribution_pb2.GetReplicaResponse) -> Replica:
    return Replica(
        virtual_size=answer.file.size_bytes,
        storage_id=answer.location.storage_id,
        storage_file_id=answer.location.storage_file_id,
        blocks=[(block.offset, block.size_bytes) for block in answer.location.blocks],
    )
