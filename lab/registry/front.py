"""The face of the registry: tokens as ghcr.io asks for them, before what docker-registry answers.

Like the real one it refuses requests without a token, tokens of another repository, and whatever a
client without an account may not do. It does not redirect clients to another host for blobs.
"""

from __future__ import annotations

import http.client
import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing

from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response, StreamingResponse
from starlette.routing import Route
from starlette.types import ASGIApp

from lab.injection import Injection
from lab.registry.storage import Connection
from lab.registry.tokens import SCOPE, Tokens

NAMES = ("ghcr.io", "public.ecr.aws")
"""The registries that the lab's plays, by the names that hosts pull from: where Mailu's images are,
and where the official ones of Docker are for everyone."""
PATHS = re.compile(
    r"/v2/(?P<name>[a-z0-9]+(?:[._/-]+[a-z0-9]+)*)/"
    r"(?P<kind>manifests|blobs|tags)/(?P<reference>[\w.:-]+)"
)
READING = ("GET", "HEAD")
PASSED_ON = ("Accept", "If-None-Match", "Range")
PASSED_BACK = (
    "Content-Length",
    "Content-Range",
    "Content-Type",
    "Docker-Content-Digest",
    "Docker-Distribution-Api-Version",
    "Etag",
)
CHUNK = 1 << 20
FAULTS = ("unavailable", "no_digest", "denied")
"""It answers 503; it does not say the digest of a manifest; it gives no token."""


class Front:
    """Answers clients; `connect` opens a connection to the registry behind."""

    def __init__(self, connect: Callable[[], Connection]) -> None:
        self.faults = Injection(*FAULTS)
        self._connect = connect
        self._tokens = Tokens()

    def app(self) -> ASGIApp:
        """Return the application."""
        every = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"]
        return Starlette(
            routes=[
                Route("/token", self._token, methods=["GET"]),
                Route("/token/", self._token, methods=["GET"]),
                Route("/{path:path}", self._read, methods=every),
            ]
        )

    async def _token(self, request: Request) -> Response:
        """Give a token to a client without an account."""
        if self.faults.consume("unavailable"):
            return _unavailable()
        service, scopes = request.query_params.get("service"), request.query_params.getlist("scope")
        found = SCOPE.fullmatch(scopes[0]) if len(scopes) == 1 else None
        refused = self.faults.consume("denied") or "authorization" in request.headers
        if refused or service != _service(request) or found is None:
            return _denied()
        if not await run_in_threadpool(self._has, found["name"]):
            return _denied()  # it does not say which repositories exist
        return JSONResponse({"token": self._tokens.issue(found["name"])})

    async def _read(self, request: Request) -> Response:
        """Answer what the registry answers, to a client that may read it."""
        if self.faults.consume("unavailable"):
            return _unavailable()
        path = request.url.path
        if path in ("/v2", "/v2/"):
            return self._refused(request, None) or JSONResponse({})
        found = PATHS.fullmatch(path)
        if found is None or (found["kind"] == "tags" and found["reference"] != "list"):
            return PlainTextResponse("404 page not found", 404)
        refused = self._refused(request, found["name"])
        if refused is not None:
            return refused
        if request.method not in READING:
            return _denied()
        answer = await run_in_threadpool(self._ask, request)
        if found["kind"] == "manifests" and self.faults.consume("no_digest"):
            del answer.headers["docker-content-digest"]
        return answer

    def _refused(self, request: Request, name: str | None) -> Response | None:
        """Return the refusal of a request without a token that fits; None where it may read.

        Without the name of a repository any token fits.
        """
        scheme, _, token = request.headers.get("authorization", "").partition(" ")
        granted = self._tokens.repository_of(token) if scheme.lower() == "bearer" else None
        if granted is not None and name in (None, granted):
            return None
        actions = "pull" if request.method in READING else "pull,push"
        challenge = {
            "realm": f"https://{request.headers.get('host', '')}/token",
            "service": _service(request),
            "scope": f"repository:{name or 'user/image'}:{actions}",
        }
        if token:
            challenge["error"] = "invalid_token" if granted is None else "insufficient_scope"
        value = ",".join(f'{key}="{part}"' for key, part in challenge.items())
        headers = {"WWW-Authenticate": f"Bearer {value}"}
        return _error(401, "UNAUTHORIZED", "authentication required", headers)

    def _has(self, name: str) -> bool:
        with closing(self._connect()) as connection:
            connection.request("GET", f"/v2/{name}/tags/list")
            return connection.getresponse().status == http.client.OK

    def _ask(self, request: Request) -> Response:
        """Pass a request on; the body of the answer is passed back piece by piece."""
        connection = self._connect()
        query = f"?{request.url.query}" if request.url.query else ""
        headers = {
            name: ", ".join(request.headers.getlist(name))
            for name in PASSED_ON
            if name in request.headers
        }
        try:
            connection.request(request.method, request.url.path + query, headers=headers)
            answer = connection.getresponse()
        except OSError:
            connection.close()
            return _unavailable()
        back = {name: answer.headers[name] for name in PASSED_BACK if name in answer.headers}
        if request.method == "HEAD":
            connection.close()
            return Response(status_code=answer.status, headers=back)
        return StreamingResponse(_pieces(connection, answer), answer.status, headers=back)


def _pieces(connection: Connection, answer: http.client.HTTPResponse) -> Iterator[bytes]:
    with closing(connection):
        while piece := answer.read(CHUNK):
            yield piece


def _service(request: Request) -> str:
    """Return the registry that a client means; a client that uses an address means the first."""
    host = request.headers.get("host", "").partition(":")[0]
    return host if host in NAMES else NAMES[0]


def _denied() -> Response:
    return _error(403, "DENIED", "requested access to the resource is denied")


def _unavailable() -> Response:
    return _error(503, "UNAVAILABLE", "the registry is not available")


def _error(
    status: int, code: str, message: str, headers: Mapping[str, str] | None = None
) -> Response:
    return JSONResponse({"errors": [{"code": code, "message": message}]}, status, headers)
