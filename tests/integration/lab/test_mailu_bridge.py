"""Postfix's tables and Dovecot's dictionaries are admin's answers; without admin they wait."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest

from lab.mailu.container.bridge import Admin, Dictionaries, Tables, escaped, unescaped
from tests.support.mailu_admin import TOKEN, StandIn, stand_in, valkey_on_tcp
from tests.support.plain_http import plain_client

USER, DOMAIN = "ada@acme.example", "acme.example"
HELLO = "H2\t3\t0\t\tusers\n"


@pytest.fixture(scope="module")
def admin(tmp_path_factory: pytest.TempPathFactory) -> Iterator[StandIn]:
    with (
        valkey_on_tcp() as valkey,
        stand_in(tmp_path_factory.mktemp("admin"), valkey) as running,
        plain_client(running.url, {"Authorization": TOKEN}) as client,
    ):
        client.post("/api/v1/domain", json={"name": DOMAIN}).raise_for_status()
        user = {"email": USER, "raw_password": "a password"}
        client.post("/api/v1/user", json=user).raise_for_status()
        yield running


@pytest.fixture
def bridge(admin: StandIn) -> Admin:
    address, _, port = admin.url.removeprefix("http://").partition(":")
    return Admin(address, int(port))


AWAY = Admin("127.0.0.1", 1)
"""Nothing listens there."""


async def spoken(served: Tables | Dictionaries, request: str, directory: Path) -> str:
    """Send a request by a socket; return all that is answered."""
    server = await asyncio.start_unix_server(served.serve, directory / "socket")
    reader, writer = await asyncio.open_unix_connection(directory / "socket")
    writer.write(request.encode())
    writer.write_eof()
    answer = await reader.read()
    writer.close()
    server.close()
    return answer.decode()


@pytest.mark.parametrize(
    ("request_", "answer"),
    [
        (f"mailbox {USER}", f"OK {USER}"),
        (f"mailbox {USER.upper()}", f"OK {USER}"),
        ("mailbox other@acme.example", "NOTFOUND "),
        (f"domain {DOMAIN}", f"OK {DOMAIN}"),
        ("transport elsewhere.example", "NOTFOUND "),
        (f"senderlogin {USER}", f"OK {USER}"),
        ("nothing x", "PERM the stand-in has no table nothing"),
    ],
)
async def test_tables_are_admins_answers(bridge: Admin, request_: str, answer: str) -> None:
    assert await Tables(bridge).answer(request_) == answer


async def test_tables_are_served_by_socketmap(bridge: Admin, tmp_path: Path) -> None:
    asked = "".join(f"{len(text)}:{text}," for text in (f"domain {DOMAIN}", "domain none.example"))
    assert await spoken(Tables(bridge), asked, tmp_path) == f"15:OK {DOMAIN},9:NOTFOUND ,"


async def test_a_table_without_admin_is_a_temporary_failure() -> None:
    assert (await Tables(AWAY).answer(f"mailbox {USER}")).startswith("TEMP ")


async def test_dictionary_has_users_and_their_quota(bridge: Admin, tmp_path: Path) -> None:
    asked = f"{HELLO}Lshared/userdb/{USER}\t\nLshared/userdb/other@acme.example\t\n"
    answer = await spoken(Dictionaries(bridge), asked, tmp_path)
    assert answer == 'O{"quota_rule": "*:bytes=1000000000"}\nN\n'


async def test_dictionary_lists_users(bridge: Admin, tmp_path: Path) -> None:
    asked = f"{HELLO}I0\t0\tshared/userdb/\t\n"
    answer = await spoken(Dictionaries(bridge), asked, tmp_path)
    assert answer == f"Oshared/userdb/{USER}\t\n\n"


async def test_use_of_a_mailbox_is_reported_to_admin(
    bridge: Admin, admin: StandIn, tmp_path: Path
) -> None:
    asked = f"{HELLO}B7\t{USER}\nS7\tpriv/quota/storage\t4711\nC7\n"
    assert await spoken(Dictionaries(bridge), asked, tmp_path) == "O7\n"
    with plain_client(admin.url, {"Authorization": TOKEN}) as client:
        shown = await asyncio.to_thread(client.get, f"/api/v1/user/{USER}")
    assert shown.json()["quota_bytes_used"] == 4711


LOOK_UP = f"Lshared/userdb/{USER}\t\n"
CHANGE = f"B1\t{USER}\nS1\tpriv/quota/storage\t1\nC1\n"


@pytest.mark.parametrize("asked", [LOOK_UP, CHANGE])
async def test_a_dictionary_without_admin_fails(asked: str, tmp_path: Path) -> None:
    answer = await spoken(Dictionaries(AWAY), HELLO + asked, tmp_path)
    assert answer.startswith("F")


def test_words_of_the_protocol_are_one_line() -> None:
    text = "require;\n\tkeep\x01\r\x00"
    assert not {"\n", "\t", "\r", "\x00"} & set(escaped(text))
    assert unescaped(escaped(text)) == text
