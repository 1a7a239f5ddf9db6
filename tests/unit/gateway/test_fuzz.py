"""Whatever is sent, the answer is one of the catalogue or none of ours: never a 500, never an exception."""

from __future__ import annotations

from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from runtime.http.file_ids import encode
from tests.support.gateway import GatewayTwin

ROOT = encode("home1", "space_home1")
PREFIXES = [
    "/api/v3/oneprovider/data/", f"/api/v3/oneprovider/data/{ROOT}", "/api/v3/oneprovider/data/home1/",
    "/api/v3/oneprovider/data/home1/metadata/xattrs", "/api/v3/oneprovider/data/home1/children",
    "/api/v3/oneprovider/lookup-file-id/home/", "/api/v3/oneprovider/", "/cdmi/", "/cdmi/home/",
    f"/cdmi/cdmi_objectid/{ROOT}/", "/cdmi/cdmi_capabilities/", "/",
]  # fmt: skip
TEXT = st.binary(max_size=40)
JSON = st.one_of(
    st.binary(max_size=60),
    st.sampled_from(
        [b'{"value":"x"}', b'{"move":"home"}', b'{"copy":"/"}', b'{"attributes":["path","xattr.a"]}', b"{}",
         b'{"metadata":{"a":1}}', b'{"mode":"777"}', b'{"keys":["a"]}', b'{"limit":1,"token":"x"}']
    ),
)  # fmt: skip
HEADERS = st.lists(
    st.tuples(
        st.sampled_from(
            [b"accept", b"content-type", b"x-cdmi-specification-version", b"x-cdmi-partial",
             b"content-length", b"x-request-id", b"host", b"range", b"content-range", b"traceparent"]
        ),
        st.one_of(
            TEXT,
            st.sampled_from([b"1.1.1", b"application/cdmi-object", b"application/json", b"*/*", b"true"]),
        ),
    ),
    max_size=4,
)  # fmt: skip


async def call(app: Any, scope: dict[str, Any], body: bytes) -> int:
    """One request past any HTTP library, which would not send such things."""
    sent: list[dict[str, Any]] = []

    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": body, "more_body": False}

    async def send(message: dict[str, Any]) -> None:
        sent.append(message)

    await app(scope, receive, send)
    for name, value in sent[0]["headers"]:
        assert b"\r" not in name + value
        assert b"\n" not in name + value
    return int(sent[0]["status"])


@settings(
    max_examples=500,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(
    st.sampled_from(["GET", "HEAD", "PUT", "POST", "DELETE", "OPTIONS", "PATCH", "X"]),
    st.sampled_from(PREFIXES),
    TEXT,
    TEXT,
    HEADERS,
    JSON,
)
async def test_nothing_a_client_sends_is_our_fault(
    gateway: GatewayTwin, method: str, prefix: str, path: bytes, query: bytes, headers: Any, body: bytes
) -> None:
    raw = prefix.encode() + path.replace(b"?", b"").replace(b"#", b"")
    scope = {
        "type": "http", "http_version": "1.1", "method": method, "scheme": "http",
        "path": raw.decode("latin-1"), "raw_path": raw, "query_string": query, "client": ("1.2.3.4", 5),
        "server": ("door", 80), "root_path": "", "headers": [(b"x-auth-token", b"owner"), *headers],
    }  # fmt: skip
    status = await call(gateway.app, scope, body)
    assert status < 500 or status in (501, 503), status
