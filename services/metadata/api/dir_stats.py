"""DirStatsService."""

from __future__ import annotations

from typing import Any

from isthmus.metadata.v1 import dir_stats_pb2, dir_stats_pb2_grpc

from runtime.auth import caller
from services.metadata.domain.dir_stats import DirStats
from services.metadata.domain.dir_sums import DirSums, StatsState

from .convert import ref_from_proto

_STATES = {
    StatsState.DISABLED: dir_stats_pb2.DIR_STATS_STATE_DISABLED,
    StatsState.INITIALIZING: dir_stats_pb2.DIR_STATS_STATE_INITIALIZING,
    StatsState.ENABLED: dir_stats_pb2.DIR_STATS_STATE_ENABLED,
    StatsState.STOPPING: dir_stats_pb2.DIR_STATS_STATE_STOPPING,
}


class DirStatsServicer(dir_stats_pb2_grpc.DirStatsServiceServicer):
    """Statistics of directories over gRPC."""

    def __init__(self, stats: DirStats) -> None:
        self._stats = stats

    async def SetDirStats(
        self, request: dir_stats_pb2.SetDirStatsRequest, context: Any
    ) -> dir_stats_pb2.SetDirStatsResponse:
        await self._stats.switch(caller(), request.space_id, enabled=request.enabled)
        return dir_stats_pb2.SetDirStatsResponse()

    async def GetDirStatsState(
        self, request: dir_stats_pb2.GetDirStatsStateRequest, context: Any
    ) -> dir_stats_pb2.GetDirStatsStateResponse:
        state = await self._stats.state(caller(), request.space_id)
        return dir_stats_pb2.GetDirStatsStateResponse(state=_STATES[state])

    async def RecountDirStats(
        self, request: dir_stats_pb2.RecountDirStatsRequest, context: Any
    ) -> dir_stats_pb2.RecountDirStatsResponse:
        await self._stats.recount(caller(), request.space_id)
        return dir_stats_pb2.RecountDirStatsResponse()

    async def GetDirStats(
        self, request: dir_stats_pb2.GetDirStatsRequest, context: Any
    ) -> dir_stats_pb2.GetDirStatsResponse:
        sums = await self._stats.sums(caller(), ref_from_proto(request.directory))
        return dir_stats_pb2.GetDirStatsResponse(sums=_to_proto(sums))

    async def ListDirStats(
        self, request: dir_stats_pb2.ListDirStatsRequest, context: Any
    ) -> dir_stats_pb2.ListDirStatsResponse:
        windows = await self._stats.windows(
            caller(),
            ref_from_proto(request.directory),
            request.step_s,
            start_s=request.start_s,
            stop_s=request.stop_s,
            limit=request.limit,
        )
        return dir_stats_pb2.ListDirStatsResponse(
            windows=[
                dir_stats_pb2.DirStatsWindow(
                    time_s=each.time_s, sums=_to_proto(each.sums), first_s=each.first_s, last_s=each.last_s
                )
                for each in windows
            ]
        )


def _to_proto(sums: DirSums) -> dir_stats_pb2.DirSums:
    return dir_stats_pb2.DirSums(
        file_count=sums.files,
        dir_count=sums.dirs,
        logical_size=sums.logical,
        virtual_size=sums.virtual,
        physical_sizes=sums.physical,
    )
