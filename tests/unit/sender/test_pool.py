"""A connection is used by one lane at a time, also while another lane checks its own."""

from __future__ import annotations

import asyncio
from datetime import datetime, timedelta
from typing import Any

import pytest
from aiosmtplib import SMTPServerDisconnected

from sender.clock import SystemClock
from sender.delivery import Pool, Session, Unreachable
from sender.directory import SendingAddress

NOBODY = SendingAddress(
    name="mx1-2",
    ip="127.0.0.1",
    helo="mx1-2.acme.example",
    port=1,
    username="user",
    sealed_password="sealed",
    ca_pem="pem",
)


class Client:
    """A connection that answers RSET once `answer` is set."""

    is_connected = True

    def __init__(self, alive: bool) -> None:
        self.asked = asyncio.Event()
        self.answer = asyncio.Event()
        self.alive = alive

    async def rset(self) -> None:
        self.asked.set()
        await self.answer.wait()
        if not self.alive:
            raise SMTPServerDisconnected("gone")

    def close(self) -> None:
        self.is_connected = False


async def test_session_is_used_by_one_lane_at_a_time() -> None:
    pool = Pool(SystemClock(), connect_timeout=1, keep_alive=3600)
    alive: Any = Client(alive=True)
    dead: Any = Client(alive=False)
    alive.answer.set()
    for client in (alive, dead):
        pool.put(Session(NOBODY, client))
    first = asyncio.create_task(pool.get(NOBODY, "password"))
    await dead.asked.wait()
    await pool.close_idle()
    second = await pool.get(NOBODY, "password")
    assert second.client is alive
    dead.answer.set()
    with pytest.raises(Unreachable):  # no session is left, and nothing listens at the port
        await first


class Watch(SystemClock):
    """A clock that is ahead by a given time."""

    ahead = timedelta()

    def now(self) -> datetime:
        return super().now() + self.ahead


async def test_host_unreachable_is_tried_by_one_lane_at_a_time() -> None:
    called: list[str] = []

    def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        called.append("call")
        writer.write(b"421 not now\r\n")
        writer.close()

    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    address = NOBODY.model_copy(update={"port": server.sockets[0].getsockname()[1]})
    clock = Watch()
    pool = Pool(clock, connect_timeout=5, keep_alive=3600)
    for _ in range(3):
        with pytest.raises(Unreachable, match="421 not now"):
            await pool.get(address, "password")
    assert called == ["call"]
    clock.ahead = timedelta(minutes=1)
    await pool.close_idle()
    tries = [pool.get(address, "password") for _ in range(3)]
    results = await asyncio.gather(*tries, return_exceptions=True)
    assert [type(result) for result in results] == [Unreachable] * 3
    assert called == ["call"] * 2
    server.close()
    await server.wait_closed()
