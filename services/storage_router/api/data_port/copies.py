"""A copy for the gateway that may take long: it is told how far it is, line by line."""

from __future__ import annotations

import asyncio
from typing import Any

import orjson
import structlog

from runtime.errors import IsthmusError
from runtime.http.errors import ApiError, from_error
from services.storage_router.api.data_port.content import Service
from services.storage_router.api.data_port.exchange import Exchange
from services.storage_router.domain.contents import Committed, FileRef, Wish

log = structlog.get_logger(__name__)

#: Time between two lines, and until the first: what ends before it is answered as any request.
LINE_INTERVAL_S = 1.0


async def copy(exchange: Exchange, service: Service, source: FileRef, wish: Wish) -> None:
    """Copies and answers. Raises, before the first line, as `Copying.copy`; ClientGone ends the copy."""
    copied_bytes = 0

    def told(more_bytes: int) -> None:
        nonlocal copied_bytes
        copied_bytes += more_bytes

    work = asyncio.create_task(service.copying.copy(source, wish, told))
    try:
        if await _ends_soon(work):
            exchange.reply(201 if (await work).created else 204)
            return
        headers = [(b"content-type", b"application/x-ndjson"), (b"transfer-encoding", b"chunked")]
        exchange.connection.write(exchange.begin(200, headers, None))
        while not await _ends_soon(work):
            await _write_line(exchange, {"copied": copied_bytes})
        await _write_line(exchange, await _outcome(work, service.provider_id))
        exchange.connection.write(b"0\r\n\r\n")
    finally:
        # Nothing goes on that nobody waits for.
        work.cancel()
        await asyncio.wait({work})


async def _ends_soon(work: asyncio.Task[Committed]) -> bool:
    done, _ = await asyncio.wait({work}, timeout=LINE_INTERVAL_S)
    return bool(done)


async def _outcome(work: asyncio.Task[Committed], provider_id: str) -> dict[str, Any]:
    try:
        return {"created": (await work).created}
    except ApiError as error:
        return {"error": error.inner(), "status": error.status}
    except IsthmusError as error:
        told = from_error(error, provider_id=provider_id)
        return {"error": told.inner(), "status": told.status}
    except Exception:
        log.exception("copy_failed")
        return {"error": ApiError("internalServerError").inner(), "status": 500}


async def _write_line(exchange: Exchange, line: dict[str, Any]) -> None:
    data = orjson.dumps(line) + b"\n"
    exchange.connection.write(b"%x\r\n%b\r\n" % (len(data), data))
    await exchange.connection.drain()
