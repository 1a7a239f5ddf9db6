"""How often gateways of a running stack have told attributes from memory."""

from __future__ import annotations

import re

import httpx

from tests.support.stack import RunningStack

_COUNT = re.compile(r'^isthmus_gateway_attributes_total\{outcome="remembered"\} (\S+)', re.MULTILINE)


async def told_from_memory(stack: RunningStack) -> float:
    """All of them together, since they began."""
    ports = [port for name, port in stack.layout.first.ports().items() if name.startswith("metrics_gateway")]
    async with httpx.AsyncClient() as client:
        texts = [(await client.get(f"http://127.0.0.1:{port}/metrics")).text for port in ports]
    return sum(float(found[1]) for found in map(_COUNT.search, texts) if found)
