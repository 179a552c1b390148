"""The few commands of Redis and Valkey that counting needs, without a client library."""

from __future__ import annotations

import socket
from typing import BinaryIO

DATABASE = 2
PORT = 6379
SECONDS = 5.0
Reply = int | str | None | list["Reply"]


class Valkey:
    """A server; every use is a connection of its own."""

    def __init__(self, address: str) -> None:
        host, _, port = address.partition(":")
        self._address = (host, int(port or PORT))

    def run(self, *commands: tuple[str | float, ...]) -> list[Reply]:
        """Run commands in one transaction and return their replies.

        A server that is away or refuses one raises OSError.
        """
        lines = [("SELECT", DATABASE), ("MULTI",), *commands, ("EXEC",)]
        with socket.create_connection(self._address, timeout=SECONDS) as connection:
            connection.sendall(b"".join(_encoded(line) for line in lines))
            with connection.makefile("rb") as stream:
                replies = [_read(stream) for _ in lines]
        results = replies[-1]
        if not isinstance(results, list):
            raise OSError(f"no results: {results}")
        return results


def _encoded(words: tuple[str | float, ...]) -> bytes:
    parts = [str(word).encode() for word in words]
    bulk = b"".join(b"$%d\r\n%s\r\n" % (len(part), part) for part in parts)
    return b"*%d\r\n%s" % (len(parts), bulk)


def _read(stream: BinaryIO) -> Reply:
    line = stream.readline()
    kind, rest = line[:1], line[1:].strip().decode()
    if kind == b"+":
        return rest
    if kind == b":":
        return int(rest)
    if kind == b"$":
        return None if rest == "-1" else stream.read(int(rest) + 2)[:-2].decode()
    if kind == b"*":
        return None if rest == "-1" else [_read(stream) for _ in range(int(rest))]
    raise OSError(f"the server answers {line!r}")
