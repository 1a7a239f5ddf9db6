"""cluster_manager: which instances exist, how they are, and how each is found.

It owns the xDS control plane (Envoy's listener, routes, clusters and endpoints; the same for gRPC's own
`xds:///<service>` channels) and the report of the cluster for operators. What it tells is worked out
from Consul's catalog and its settings alone, so any number of instances say the same.

It does not own the members: each registers itself in Consul. It carries no request.
"""
