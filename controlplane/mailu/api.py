"""A client of Mailu's REST API. It repeats nothing, and concludes nothing from an odd answer."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any
from urllib.parse import quote

import httpx2
from httpx2 import codes
from pydantic import ValidationError

from controlplane.mailu.answers import body_of, closing, code_of, refused, unclear
from controlplane.mailu.faults import NAME, UNCERTAIN, UNREACHABLE
from controlplane.mailu.objects import TOKEN, USER, Item, Kind, Token
from kit.faults import Code, Fault, first_line

ROOT = "/api/v1"
TIMEOUT = httpx2.Timeout(40.0, connect=10.0)
"""For an answer: a worker with one thread serves one request at a time, for 30 s at most."""
GET, POST, PATCH, DELETE = "GET", "POST", "PATCH", "DELETE"

Fields = Mapping[str, Any]


class Api:
    """The objects of one host.

    A refused token is tried once: after that, and after the limit of wrong logins, every call
    raises the same fault without asking. Answers are kept out of logs and faults: those of users
    have the hashes of their passwords.
    """

    def __init__(self, http: httpx2.Client, token: str, where: str | None = None) -> None:
        self._http = http
        self._headers = {"Authorization": f"Bearer {token}"}
        self.where = where
        self._closed: Code | None = None

    def all(self, kind: Kind[Item]) -> list[Item]:
        """Return all objects of a kind, with the fields that are cheap to list."""
        mask = {"X-Fields": ",".join(kind.fields)}
        _, body = self._call(GET, kind.path, headers=mask)
        return self._items(kind, body, f"GET {kind.path}")

    def find(self, kind: Kind[Item], key: str) -> Item | None:
        """Return an object with all that is read of it, None if there is none."""
        path = _path(kind, key)
        code, body = self._call(GET, path, accepted={codes.NOT_FOUND})
        return None if code == codes.NOT_FOUND else self._item(kind, body, f"GET {path}")

    def create(self, kind: Kind[Item], key: str, fields: Fields) -> bool:
        """Make an object; return False where Mailu says that the name is in use."""
        body = {kind.key: key, **fields}
        code, _ = self._call(POST, kind.path, body, accepted={codes.CONFLICT})
        return code != codes.CONFLICT

    def change(self, kind: Kind[Item], key: str, fields: Fields) -> None:
        """Change some fields of an object."""
        self._call(PATCH, _path(kind, key), fields)

    def remove(self, kind: Kind[Item], key: str) -> None:
        """Remove an object; one that is gone already is none."""
        self._call(DELETE, _path(kind, key), accepted={codes.NOT_FOUND})

    def remove_manager(self, domain: str, address: str) -> None:
        """Let a user no longer manage a domain."""
        path = f"/domain/{domain}/manager/{_quoted(address)}"
        self._call(DELETE, path, accepted={codes.NOT_FOUND})

    def tokens_of(self, address: str) -> list[Token]:
        """Return the tokens of a user."""
        path = f"/tokenuser/{_quoted(address)}"
        _, body = self._call(GET, path)
        return self._items(TOKEN, body, f"GET {path}")

    def make_token(self, address: str, comment: str) -> tuple[Token, str]:
        """Make a token for a user; return it and its secret, which is shown this once."""
        path = f"/tokenuser/{_quoted(address)}"
        _, body = self._call(POST, path, {"comment": comment})
        token = self._item(TOKEN, body, f"POST {path}")
        secret = body.get("token")
        if not isinstance(secret, str):
            raise unclear(f"POST {path}", "there is no token in it")
        return token, secret

    def set_password(self, address: str, password: str) -> None:
        """Set the password of a user; its tokens stay."""
        self.change(USER, address, {"raw_password": password})

    def _call(
        self,
        method: str,
        path: str,
        body: Fields | None = None,
        *,
        headers: Mapping[str, str] | None = None,
        accepted: Collection[int] = (),
    ) -> tuple[int, Any]:
        """Return code and body of an answer: 200, or another that is accepted."""
        try:
            return self._answered(method, path, body, headers or {}, accepted)
        except Fault as fault:
            raise (fault.at(self.where) if self.where else fault) from None

    def _answered(
        self,
        method: str,
        path: str,
        body: Fields | None,
        headers: Mapping[str, str],
        accepted: Collection[int],
    ) -> tuple[int, Any]:
        if self._closed is not None:
            raise self._closed()
        request = f"{method} {path}"
        answer = self._sent(method, path, body, headers)
        if (fault := closing(answer)) is not None:
            self._closed = fault.code
            raise fault
        document = body_of(answer, method, request)
        code = code_of(answer, document, request)
        if code != codes.OK and code not in accepted:
            raise refused(request, code)
        return code, document

    def _sent(
        self, method: str, path: str, body: Fields | None, headers: Mapping[str, str]
    ) -> httpx2.Response:
        """Return the answer. Errors are not repeated: they may quote what was answered."""
        try:
            return self._http.request(
                method,
                ROOT + path,
                json=body,
                headers={**self._headers, **headers},
                timeout=TIMEOUT,
                follow_redirects=False,
            )
        except (httpx2.ConnectError, httpx2.ConnectTimeout) as error:
            reason = first_line(error) or "no connection"
            raise UNREACHABLE(reason=reason) from None
        except httpx2.HTTPError:
            if method != GET:
                raise UNCERTAIN(request=f"{method} {path}") from None
            raise UNREACHABLE(reason="the connection broke, or no answer came in time") from None

    def _items(self, kind: Kind[Item], body: Any, request: str) -> list[Item]:
        if not isinstance(body, list):
            raise self._unclear(request, "it is no list")
        return [self._item(kind, item, request) for item in body]

    def _item(self, kind: Kind[Item], body: Any, request: str) -> Item:
        try:
            return kind.model.model_validate(body)
        except ValidationError as error:
            fields = sorted({".".join(map(str, each["loc"])) for each in error.errors()})
            raise self._unclear(request, f"its fields {', '.join(fields)}") from None

    def _unclear(self, request: str, reason: str) -> Fault:
        fault = unclear(request, reason)
        return fault.at(self.where) if self.where else fault


def _path(kind: Kind[Item], key: str) -> str:
    return f"{kind.path}/{_quoted(key)}"


def _quoted(key: str) -> str:
    """Return a name as a part of a path; one with a slash would be another path."""
    if "/" in key:
        raise NAME(name=key, reason="it has a slash before the @")
    return quote(key, safe="@")
