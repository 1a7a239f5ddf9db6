"""Bounds that both ends of a multiplexed stream keep."""

#: Calls in one message, either way. A client that sends more is broken.
MAX_CALLS_IN_MESSAGE = 256
#: A message is closed when it has this many bytes, so that one never nears the limit of gRPC.
CLOSE_MESSAGE_BYTES = 1024 * 1024
#: A single request, and a single result, may have this many bytes.
MAX_REQUEST_BYTES = 3 * 1024 * 1024
MAX_RESULT_BYTES = 12 * 1024 * 1024
#: Calls of one stream without a result: a client sends no more, a server reads no more.
MAX_OPEN_CALLS = 1024
