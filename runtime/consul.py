"""Consul as this project uses it: a typed face over py-consul, asyncio all the way.

py-consul speaks the API; the transport under it is ours, because its own aiohttp adapter uses options
that aiohttp deprecates and knows no time limit for a single request. A blocking query must be allowed its
wait, everything else must not hang.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any, cast
from urllib.parse import urlsplit

import aiohttp
import structlog
from consul import base
from consul.callback import CB
from consul.exceptions import ConsulException, NotFound

from runtime.config import ConsulAddress
from runtime.errors import Unavailable

log = structlog.get_logger(__name__)

#: For requests that Consul answers at once.
REQUEST_TIMEOUT_S = 5.0


class ConsulAway(Unavailable):
    """Consul does not answer, or answers with an error."""

    reason = "CONSUL_AWAY"


@dataclass(frozen=True, slots=True)
class KeyValue:
    """One key. `lock_index` counts how often its lock was taken; `session` is who holds it now, or empty."""

    value: bytes
    session: str
    lock_index: int
    modify_index: int


class _Transport(base.HTTPClient):  # type: ignore[misc]  # py-consul ships no types
    """What py-consul sends requests with."""

    def __init__(self, at: ConsulAddress) -> None:
        parts = urlsplit(at.url)
        super().__init__(parts.hostname, parts.port or 8500, parts.scheme or "http")
        self._credentials = {"X-Consul-Token": at.token} if at.token else {}
        self._session: aiohttp.ClientSession | None = None

    async def _send(
        self,
        method: str,
        callback: Callable[[base.Response], Any],
        path: str,
        params: Sequence[tuple[str, Any]] | None = None,
        headers: Mapping[str, str] | None = None,
        data: str | bytes = "",
        **_: object,
    ) -> Any:
        timeout_s = REQUEST_TIMEOUT_S + _blocking_s(params)
        if self._session is None:
            self._session = aiohttp.ClientSession()
        async with self._session.request(
            method,
            self.uri(path, params),
            headers={**(headers or {}), **self._credentials},
            data=data or None,
            timeout=aiohttp.ClientTimeout(total=timeout_s),
        ) as response:
            body = await response.text(encoding="utf-8")
            return callback(base.Response(response.status, response.headers, body))

    def get(self, callback: Callable[[base.Response], Any], path: str, *args: Any, **kwargs: Any) -> Any:
        return self._send("GET", callback, path, *args, **kwargs)

    def put(self, callback: Callable[[base.Response], Any], path: str, *args: Any, **kwargs: Any) -> Any:
        return self._send("PUT", callback, path, *args, **kwargs)

    def post(self, callback: Callable[[base.Response], Any], path: str, *args: Any, **kwargs: Any) -> Any:
        return self._send("POST", callback, path, *args, **kwargs)

    def delete(self, callback: Callable[[base.Response], Any], path: str, *args: Any, **kwargs: Any) -> Any:
        return self._send("DELETE", callback, path, *args, **kwargs)

    async def close(self) -> None:
        if self._session is not None:
            await self._session.close()
            self._session = None


class _Api(base.Consul):  # type: ignore[misc]  # py-consul ships no types
    """py-consul over our transport."""

    def __init__(self, at: ConsulAddress) -> None:
        self._at = at
        super().__init__()

    def http_connect(self, *_: object, **__: object) -> _Transport:
        return _Transport(self._at)


class Consul:
    """One Consul agent. Every method raises `ConsulAway` when it can't be reached or refuses.

    A bare URL is an agent that asks for no token.
    """

    def __init__(self, at: ConsulAddress | str) -> None:
        self._api = _Api(ConsulAddress(at) if isinstance(at, str) else at)

    async def close(self) -> None:
        """Closes the connections."""
        await self._api.http.close()

    async def register(
        self,
        service: str,
        instance_id: str,
        host: str,
        port: int,
        *,
        check: Mapping[str, str],
        meta: Mapping[str, str],
    ) -> None:
        """Makes the instance known to the agent, or replaces what it knew."""
        await self._ask(
            self._api.agent.service.register(
                service,
                service_id=instance_id,
                address=host,
                port=port,
                check=dict(check),
                meta=dict(meta),
                replace_existing_checks=True,
            )
        )

    async def deregister(self, instance_id: str) -> None:
        """Takes the instance out at once. Idempotent."""
        try:
            await self._ask(self._api.agent.service.deregister(instance_id))
        except ConsulAway as error:
            if not isinstance(error.__cause__, NotFound):
                raise

    async def service_ids(self) -> set[str]:
        """Instances this agent knows."""
        return set(cast(Mapping[str, object], await self._ask(self._api.agent.services())))

    async def service_hash(self, instance_id: str, *, seen: str = "", wait_s: int = 30) -> str:
        """Stands for what this agent knows of the instance; empty when that is nothing.

        With `seen`: returns when it is another one, or after about `wait_s`.
        """
        params = [("hash", seen), ("wait", f"{wait_s}s")] if seen else []
        path = f"/v1/agent/service/{instance_id}"
        return cast(str, await self._ask(self._api.http.get(_content_hash, path, params)))

    async def service_health(
        self, service: str, *, index: int = 0, wait_s: int = 30
    ) -> tuple[int, list[dict[str, Any]]]:
        """All instances of a service with their checks, and the index they are valid for.

        With an `index`: returns when something changed since, or after about `wait_s`.
        """
        found = await self._ask(
            self._api.health.service(service, index=index or None, wait=f"{wait_s}s", passing=None)
        )
        return int(found[0]), cast(list[dict[str, Any]], found[1] or [])

    async def create_session(self, name: str, *, ttl_s: int) -> str:
        """A session that ends when it is not renewed for `ttl_s`; its locks are free at once.

        Consul refuses less than its `session_ttl_min` (10 s unless set) and may take twice the time.
        """
        # Not through py-consul's own method: it refuses what `session_ttl_min` of the agent allows.
        wish = {"Name": name, "TTL": f"{ttl_s}s", "Behavior": "release", "LockDelay": "0s"}
        return cast(
            str,
            await self._ask(
                self._api.http.put(CB.json(is_id=True), "/v1/session/create", data=json.dumps(wish))
            ),
        )

    async def renew_session(self, session: str) -> bool:
        """False when Consul no longer knows the session."""
        try:
            await self._ask(self._api.session.renew(session))
        except ConsulAway as error:
            if isinstance(error.__cause__, NotFound):
                return False
            raise
        return True

    async def destroy_session(self, session: str) -> None:
        """Ends the session and frees its locks at once."""
        await self._ask(self._api.session.destroy(session))

    async def acquire(self, key: str, session: str, value: Mapping[str, str]) -> bool:
        """Takes the lock on the key; True when the session holds it."""
        return bool(await self._ask(self._api.kv.put(key, json.dumps(dict(value)), acquire=session)))

    async def release(self, key: str, session: str) -> None:
        """Gives the lock up if the session holds it."""
        await self._ask(self._api.kv.put(key, "", release=session))

    async def get(self, key: str, *, index: int = 0, wait_s: int = 30) -> tuple[int, KeyValue | None]:
        """A key and the index it is valid for; with an `index` as in `service_health`."""
        found_index, found = await self._ask(
            self._api.kv.get(key, index=index or None, wait=f"{wait_s}s", consistency="consistent")
        )
        if found is None:
            return int(found_index), None
        return int(found_index), _key_value(found)

    async def list_keys(self, prefix: str) -> dict[str, KeyValue]:
        """All keys that begin with `prefix`, by their whole name."""
        _, found = await self._ask(self._api.kv.get(prefix, recurse=True))
        return {each["Key"]: _key_value(each) for each in found or []}

    async def _ask(self, request: Any) -> Any:
        """Whatever goes wrong below is `ConsulAway`: the loops that follow Consul expect nothing else, and an
        instance whose registrar had ended would be found by nobody until it is started again.
        """
        try:
            return await request
        except (ConsulException, aiohttp.ClientError, TimeoutError, OSError) as error:
            raise ConsulAway(f"Consul: {str(error) or type(error).__name__}") from error
        except asyncio.CancelledError as error:
            asker = asyncio.current_task()
            if asker is None or asker.cancelling():
                raise
            raise ConsulAway("Consul: the request was cancelled, but not by who asked") from error
        except Exception as error:
            log.exception("consul_request_failed")
            raise ConsulAway(f"Consul: {error!r}") from error


def _content_hash(response: base.Response) -> str:
    if response.code == HTTPStatus.NOT_FOUND:
        return ""
    if response.code != HTTPStatus.OK:
        raise ConsulException(f"{response.code} {response.body}")
    return str(response.headers.get("X-Consul-ContentHash", ""))


def _key_value(found: Mapping[str, Any]) -> KeyValue:
    return KeyValue(
        value=found["Value"] or b"",
        session=found.get("Session", ""),
        lock_index=found["LockIndex"],
        modify_index=found["ModifyIndex"],
    )


def next_index(seen: int, answered: int) -> int:
    """The index for the next blocking query.

    One that goes backwards means that Consul lost its state (restored or begun anew): ask from the beginning.
    """
    return answered if answered >= seen and answered > 0 else 0


def _blocking_s(params: Sequence[tuple[str, Any]] | None) -> float:
    named = dict(params or ())
    if not named.keys() & {"index", "hash"}:
        return 0.0
    # Consul spreads the answers of a blocking query over another sixteenth of its wait.
    return float(str(named.get("wait", "300s")).rstrip("s")) * 17 / 16
