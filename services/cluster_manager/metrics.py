"""Metrics of cluster_manager."""

from runtime.telemetry import counter, gauge

XDS_CLIENTS = gauge("xds_clients", "Discovery streams open: each Envoy and each process with xds channels.")
XDS_ANSWERS = counter("xds_answers", "Answers sent on discovery streams, by type of resource.", ["type"])
XDS_REFUSALS = counter("xds_refusals", "Answers a client could not use; each is logged.", ["type"])
