"""What every set of metadata stores promises. Test classes inherit it and bring a `stores` fixture."""

from __future__ import annotations

from tests.contract.metadata_access_history import AccessHistoryStoreContract
from tests.contract.metadata_content_stores import (
    FirstLocationContract,
    IntentStoreContract,
    LocationStoreContract,
    QuotaStoreContract,
)
from tests.contract.metadata_dir_stats_store import DirStatsStoreContract
from tests.contract.metadata_file_store import FileStoreContract
from tests.contract.metadata_small_stores import (
    CustomMetadataStoreContract,
    DownloadStoreContract,
    OwnerUsageStoreContract,
    ShareNoteStoreContract,
    UsageHistoryStoreContract,
)
from tests.contract.metadata_tree_store import MoveContract, TogetherContract
from tests.contract.queue_store import QueueStoreContract


class MetadataStoreContract(
    FileStoreContract,
    MoveContract,
    LocationStoreContract,
    FirstLocationContract,
    TogetherContract,
    QuotaStoreContract,
    IntentStoreContract,
    CustomMetadataStoreContract,
    DownloadStoreContract,
    ShareNoteStoreContract,
    UsageHistoryStoreContract,
    OwnerUsageStoreContract,
    AccessHistoryStoreContract,
    DirStatsStoreContract,
    QueueStoreContract,
):
    """All of it."""
