"""The socket of the API: responses are sent without delay."""

from __future__ import annotations

import asyncio
import socket

from composition.listening import listen


async def test_socket_listening_sends_small_answers_at_once() -> None:
    accepted: asyncio.Future[bool] = asyncio.get_running_loop().create_future()

    def check_option(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        connection = writer.get_extra_info("socket")
        accepted.set_result(bool(connection.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)))
        writer.close()

    listener = listen("127.0.0.1", 0)
    async with await asyncio.start_server(check_option, sock=listener):
        _, writer = await asyncio.open_connection(*listener.getsockname())
        assert await accepted
        writer.close()
        await writer.wait_closed()
