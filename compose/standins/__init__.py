"""Stand-ins for images that cannot be pulled.

They carry the names that the compose file asks for, and inside them the server binaries that `make up`
runs: another version than those images have. A test on stand-ins proves the compose file, the wiring
and the image of Isthmus. It proves nothing about the upstream images, and says so.
"""
