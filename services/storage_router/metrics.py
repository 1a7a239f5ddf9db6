"""What this service counts."""

from __future__ import annotations

from prometheus_client import Counter, Gauge

REQUESTS = Counter(
    "isthmus_data_port_requests_total", "Requests answered by the data port", ["method", "front", "status"]
)
REQUESTS_UNDER_WAY = Gauge("isthmus_data_port_requests_under_way", "Requests being answered")
RECEIVED_BYTES = Counter("isthmus_data_port_received_bytes_total", "Bytes of request bodies taken")
SENT_BYTES = Counter("isthmus_data_port_sent_bytes_total", "Bytes of content sent")
CONNECTIONS = Gauge("isthmus_data_port_connections", "Open connections")
CONNECTIONS_REFUSED = Counter(
    "isthmus_data_port_connections_refused_total", "Connections turned away for being too many"
)
REMOVED_FILES = Counter(
    "isthmus_storage_removed_files_total", "Storage files removed, by what asked for it", ["cause"]
)
STORAGE_HEALTH = Gauge(
    "isthmus_storage_health", "1 usable, 2 read-only, 3 unreachable, as this process finds it", ["storage"]
)
STORAGE_FREE_BYTES = Gauge("isthmus_storage_free_bytes", "As the storage reports", ["storage"])
REMEMBERED = Gauge("isthmus_data_port_remembered_files", "Located files that reads may find in memory")
