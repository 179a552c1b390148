"""Tokens in return paths and links: they are read back unchanged, or refused."""

from __future__ import annotations

import re
from ipaddress import IPv4Address
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sender.tokens import (
    LETTERS,
    LOCAL_PART_LIMIT,
    RETURN_PATH_FORM,
    ReturnPath,
    TokenInvalid,
    Tokens,
)

TOKENS = Tokens(bytes(range(32)))
uuids = st.uuids()
addresses = st.ip_addresses(v=4).map(str)


@given(uuids, addresses)
def test_return_path_of_any_case_is_read(job_id: UUID, ip: str) -> None:
    path = TOKENS.return_path(job_id, ip, "b.acme.example")
    local = path.partition("@")[0]
    assert re.fullmatch(RETURN_PATH_FORM, local)
    assert len(local) <= LOCAL_PART_LIMIT
    for form in (path, path.upper()):
        assert TOKENS.read_return_path(form) == ReturnPath(job_id, str(IPv4Address(ip)))


@given(uuids, st.integers(0, 47), st.sampled_from("abcdefghijklmnopqrstuvwxyz234567"))
def test_return_path_changed_is_refused(job_id: UUID, at: int, letter: str) -> None:
    local = TOKENS.return_path(job_id, "198.18.0.9", "b.acme.example").partition("@")[0]
    changed = local[: 2 + at] + letter + local[3 + at :]
    if changed != local:
        with pytest.raises(TokenInvalid):
            TOKENS.read_return_path(f"{changed}@b.acme.example")


@given(st.text(max_size=80))
def test_return_path_of_any_other_text_is_refused(text: str) -> None:
    with pytest.raises(TokenInvalid):
        TOKENS.read_return_path(text)
    with pytest.raises(TokenInvalid):
        TOKENS.read_unsubscribe(text)


@given(uuids, st.binary(min_size=32, max_size=32))
def test_unsubscribe_token_contains_tenant_and_recipient(tenant_id: UUID, recipient: bytes) -> None:
    token = TOKENS.unsubscribe(tenant_id, recipient)
    assert re.fullmatch(r"[a-z2-7]+", token)
    read = TOKENS.read_unsubscribe(token)
    assert (read.tenant_id, read.recipient) == (tenant_id, recipient)


def test_token_of_another_key_is_refused() -> None:
    token = TOKENS.unsubscribe(UUID(int=1), bytes(32))
    with pytest.raises(TokenInvalid):
        Tokens(bytes(32)).read_unsubscribe(token)


def test_token_key_too_short_is_refused() -> None:
    with pytest.raises(ValueError, match="at least 32 bytes"):
        Tokens(b"short")


def test_token_of_the_first_key_is_what_it_was_before_there_were_ids() -> None:
    job_id, later = UUID(int=7), Tokens(TOKENS.key, {1: bytes(32)})
    assert TOKENS.return_path(job_id, "198.18.0.9", "b.acme.example") == (
        "b+aaaaaaaaaaaaaaaaaaaaaaaaa7dbeaajbrsyrbgede2jz5ei@b.acme.example"
    )
    before = TOKENS.unsubscribe(job_id, bytes(32))
    assert len(before) == 103
    assert later.read_unsubscribe(before).tenant_id == job_id


@given(uuids, addresses, st.integers(1, 31))
def test_token_is_made_with_the_newest_key_and_names_it(job_id: UUID, ip: str, id_: int) -> None:
    newest = Tokens(TOKENS.key, {id_: bytes(32), id_ // 2 or 31: bytes(32)})
    highest = max(newest.later)
    path = newest.return_path(job_id, ip, "b.acme.example")
    link = newest.unsubscribe(job_id, bytes(32))
    assert path[2] == link[0] == LETTERS[highest]
    local = path.partition("@")[0]
    assert re.fullmatch(RETURN_PATH_FORM, local)
    assert len(local) <= LOCAL_PART_LIMIT
    for tokens in (newest, Tokens(bytes(range(1, 33)), {highest: bytes(32)})):
        assert tokens.read_return_path(path.upper()).job_id == job_id
        assert tokens.read_unsubscribe(link.upper()).tenant_id == job_id
    for tokens in (TOKENS, Tokens(bytes(32)), Tokens(TOKENS.key, {highest: bytes(range(32))})):
        with pytest.raises(TokenInvalid):
            tokens.read_return_path(path)
        with pytest.raises(TokenInvalid):
            tokens.read_unsubscribe(link)


@pytest.mark.parametrize("id_", [-1, 0, 32])
def test_token_key_with_an_id_that_is_no_letter_is_refused(id_: int) -> None:
    with pytest.raises(ValueError, match="from 1 to 31"):
        Tokens(TOKENS.key, {id_: bytes(32)})
