"""A client of HTTPS that connects to an address and asks for any name there."""

from __future__ import annotations

import asyncio
import ssl

from controlplane.authority.certificates import Issued
from tests.support.waiting import SECONDS

TIMEOUT = SECONDS


async def asked(
    port: int, name: str | None, authority: Issued, path: str, method: str = "GET", body: str = ""
) -> tuple[int, str]:
    """Return status and body of an answer at 127.0.0.1; only this authority is trusted."""
    context = ssl.create_default_context(cadata=authority.certificate)
    if name is None:
        context.check_hostname = False
    async with asyncio.timeout(TIMEOUT):
        reader, writer = await asyncio.open_connection(
            "127.0.0.1", port, ssl=context, server_hostname=name or ""
        )
        writer.write(
            f"{method} {path} HTTP/1.1\r\nHost: {name}\r\nConnection: close\r\n"
            "Content-Type: application/x-www-form-urlencoded\r\n"
            f"Content-Length: {len(body)}\r\n\r\n{body}".encode()
        )
        answer = (await reader.read()).decode()
        writer.close()
    head, _, content = answer.partition("\r\n\r\n")
    return int(head.split(" ")[1]), content
