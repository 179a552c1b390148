"""Answers Postfix and Dovecot from admin: tables by socketmap, dictionaries by Dovecot's protocol.

https://www.postfix.org/socketmap_table.5.html and Dovecot's src/lib-dict/dict-client.h. Both come
by sockets in files. An admin that cannot be reached is a temporary failure of both.
"""

from __future__ import annotations

import asyncio
import http.client
import json
import socket
import sys
from pathlib import Path
from urllib.parse import quote

POSTFIX = {
    "alias": "alias/{key}",
    "domain": "domain/{key}",
    "mailbox": "mailbox/{key}",
    "recipientmap": "recipient/map/{key}",
    "senderlogin": "sender/login/{key}",
    "sendermap": "sender/map/{key}",
    "senderrate": "sender/rate/{key}",
    "transport": "transport/{key}",
}
"""Tables, and the paths of admin that they are."""
TIMEOUT = 10.0


class Admin:
    """Asks admin by HTTP."""

    def __init__(self, address: str, port: int = 8080) -> None:
        self._address = (address, port)

    async def get(self, path: str) -> str | None:
        """Return the body of an answer; None if admin has none. Raises OSError."""
        return await asyncio.to_thread(self._ask, "GET", path, None)

    async def post(self, path: str, body: str) -> None:
        """Send a value. Raises OSError."""
        await asyncio.to_thread(self._ask, "POST", path, body)

    def _ask(self, method: str, path: str, body: str | None) -> str | None:
        connection = http.client.HTTPConnection(*self._address, timeout=TIMEOUT)
        try:
            headers = {"Content-Type": "application/json"} if body else {}
            connection.request(method, f"/internal/{quote(path)}", body, headers)
            answer = connection.getresponse()
            text = answer.read().decode()
        except http.client.HTTPException as error:
            raise OSError(str(error)) from error
        finally:
            connection.close()
        if answer.status == http.client.NOT_FOUND:
            return None
        if answer.status != http.client.OK:
            raise OSError(f"admin answers {answer.status}")
        return text


class Tables:
    """Serves Postfix's tables."""

    def __init__(self, admin: Admin) -> None:
        self._admin = admin

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Answer one connection until it ends."""
        try:
            while True:
                length = int((await reader.readuntil(b":"))[:-1])
                request = (await reader.readexactly(length + 1))[:-1].decode()
                answer = (await self.answer(request)).encode()
                writer.write(b"%d:%b," % (len(answer), answer))
                await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError):
            writer.close()

    async def answer(self, request: str) -> str:
        """Return the answer to `TABLE KEY`."""
        table, _, key = request.partition(" ")
        if table not in POSTFIX:
            return f"PERM the stand-in has no table {table}"
        try:
            found = await self._admin.get("postfix/" + POSTFIX[table].format(key=key))
        except (OSError, ValueError) as error:
            print(f"stand-in: {table} of {key}: {error}", file=sys.stderr, flush=True)
            return f"TEMP {error}"
        return "NOTFOUND " if found is None else f"OK {json.loads(found)}"


class Dictionaries:
    """Serves Dovecot's dictionaries: users, the quota that they use, scripts."""

    def __init__(self, admin: Admin) -> None:
        self._admin = admin

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Answer one connection until it ends; a line is a command."""
        changes = dict[str, dict[str, str]]()
        while line := (await reader.readline()).decode().rstrip("\n"):
            command, *words = [line[0], *map(unescaped, line[1:].split("\t"))]
            if command == "H":
                continue
            if command == "B":
                changes[words[0]] = {"": words[1]}
            elif command == "S":
                changes[words[0]][words[1]] = words[2]
            elif command == "R":
                changes.pop(words[0], None)
            elif command == "C":
                done = await self._written(changes.pop(words[0]))
                writer.write(f"{done}{words[0]}\n".encode())
            elif command in "LI":
                writer.write((await self._found(command, words)).encode())
            else:
                print(f"stand-in: unknown command {line}", file=sys.stderr, flush=True)
                break
            await writer.drain()
        writer.close()

    async def _found(self, command: str, words: list[str]) -> str:
        key, user = (words[0], words[1]) if command == "L" else (words[2], "")
        try:
            answer = await self._admin.get(_path(key, user))
        except (OSError, ValueError) as error:
            print(f"stand-in: {key}: {error}", file=sys.stderr, flush=True)
            return "F\n"
        if command == "I":
            users = json.loads(answer or "[]")
            return "".join(f"O{escaped(key + user)}\t\n" for user in users) + "\n"
        if answer is None:
            return "N\n"
        value = json.loads(answer)
        return f"O{escaped(value if isinstance(value, str) else json.dumps(value))}\n"

    async def _written(self, changed: dict[str, str]) -> str:
        """Report changed values; what admin does not take is reported at the next change."""
        user = changed.pop("")
        try:
            for key, value in changed.items():
                await self._admin.post(_path(key, user), value)
        except OSError as error:
            print(f"stand-in: {error}", file=sys.stderr, flush=True)
            return "F"
        return "O"


def _path(key: str, user: str) -> str:
    """Return the path of admin for a key; a user's own keys begin with `priv`."""
    scope, _, rest = key.partition("/")
    return f"dovecot/{rest}/{user}" if scope == "priv" else f"dovecot/{rest}"


def escaped(text: str) -> str:
    """Return a text as a word of the protocol."""
    replaced = {"\x01": "\x011", "\x00": "\x010", "\t": "\x01t", "\r": "\x01r", "\n": "\x01n"}
    return "".join(replaced.get(character, character) for character in text)


def unescaped(text: str) -> str:
    """Return the text of a word."""
    first, *rest = text.split("\x01")
    known = {"1": "\x01", "0": "\x00", "t": "\t", "r": "\r", "n": "\n"}
    return first + "".join(known.get(part[:1], part[:1]) + part[1:] for part in rest)


async def serve(kind: str, listener: socket.socket, address: str) -> None:
    """Serve a socket for ever."""
    admin = Admin(address)
    served = {"tables": Tables(admin).serve, "dictionaries": Dictionaries(admin).serve}[kind]
    server = await asyncio.start_unix_server(served, sock=listener)
    print(f"stand-in: {kind} are answered from {address}", flush=True)
    await server.serve_forever()


def listening(path: Path) -> socket.socket:
    """Return a socket that every account of this container may use."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.unlink(missing_ok=True)
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(str(path))
    path.chmod(0o666)
    return listener


if __name__ == "__main__":
    _, kind, path, address = sys.argv
    asyncio.run(serve(kind, listening(Path(path)), address))
