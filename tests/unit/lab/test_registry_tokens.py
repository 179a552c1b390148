"""Tokens of the lab's registry: for one repository, and not for long."""

from __future__ import annotations

import pytest

from lab.registry.tokens import SCOPE, SECONDS, Tokens


class Clock:
    time = 0.0

    def __call__(self) -> float:
        return self.time


def test_token_lets_read_its_repository_until_it_expires() -> None:
    clock = Clock()
    tokens = Tokens(clock)
    token = tokens.issue("mailu/nginx")
    assert tokens.repository_of(token) == "mailu/nginx"
    assert tokens.repository_of("guessed") is None
    clock.time = SECONDS
    assert tokens.repository_of(token) is None
    assert tokens.issue("mailu/nginx") != token


@pytest.mark.parametrize(
    "scope",
    [
        "repository:mailu/nginx:pull,push",
        "repository:mailu/nginx:*",
        "repository::pull",
        "repository:../nginx:pull",
        "registry:catalog:*",
        "aws",
    ],
)
def test_scope_that_is_more_than_reading_one_repository_is_none(scope: str) -> None:
    assert SCOPE.fullmatch(scope) is None
