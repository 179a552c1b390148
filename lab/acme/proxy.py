"""A proxy before Pebble, which enforces no limits: it answers what a real authority may answer."""

from __future__ import annotations

import http.client
from collections.abc import Mapping
from dataclasses import dataclass, field

from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from lab.acme.pebble import Pebble
from lab.injection import Injection

RATE_LIMITED, REFUSED, UNAVAILABLE = "rate_limited", "refused", "unavailable"
RETRY_AFTER = 60
"""Seconds that an order is asked to wait for."""
NEW_ORDER = "/order-plz"
"""Where Pebble takes orders."""
LIMITED = "too many certificates already issued for this domain in the last 168h0m0s"
FORBIDDEN = "policy forbids issuing for this name"
TIMEOUT = 30
PASSED = ("content-type", "location", "link", "replay-nonce", "retry-after", "cache-control")


@dataclass
class Proxy:
    """Passes requests on, but for those that a fault answers.

    `rate_limited` and `refused` answer an order (RFC 8555 6.7), `unavailable` any request.
    """

    pebble: Pebble
    faults: Injection = field(default_factory=lambda: Injection(RATE_LIMITED, REFUSED, UNAVAILABLE))

    def app(self) -> Starlette:
        """Return the application."""
        methods = ["GET", "HEAD", "POST"]
        return Starlette(routes=[Route("/{path:path}", self._answer, methods=methods)])

    def fault_route(self) -> Route:
        """Return the route that injects faults, for a server without TLS."""
        return Route("/_lab/acme", self.faults.endpoint, methods=["GET", "POST", "DELETE"])

    async def _answer(self, request: Request) -> Response:
        if self.faults.consume(UNAVAILABLE):
            return Response("no healthy upstream\n", 503, media_type="text/plain")
        if request.url.path == NEW_ORDER:
            if self.faults.consume(RATE_LIMITED):
                return _problem("rateLimited", LIMITED, 429, {"Retry-After": str(RETRY_AFTER)})
            if self.faults.consume(REFUSED):
                return _problem("rejectedIdentifier", FORBIDDEN, 400)
        body = await request.body()
        return await run_in_threadpool(self._pass_on, request, body)

    def _pass_on(self, request: Request, body: bytes) -> Response:
        """Ask Pebble as the client asked: its URLs and signatures have the client's host."""
        connection = http.client.HTTPSConnection(
            "127.0.0.1", self.pebble.port, timeout=TIMEOUT, context=self.pebble.trust()
        )
        names = ("host", "content-type", "user-agent", "accept")
        headers = {name: request.headers[name] for name in names if name in request.headers}
        try:
            connection.request(request.method, request.url.path, body or None, headers)
            answer = connection.getresponse()
            content = answer.read()
        except OSError as error:
            return Response(f"{error}\n", 502, media_type="text/plain")
        finally:
            connection.close()
        response = Response(content, answer.status)
        for name, value in answer.getheaders():
            if name.lower() in PASSED:
                response.headers.append(name, value)
        return response


def _problem(
    kind: str, detail: str, status: int, headers: Mapping[str, str] | None = None
) -> Response:
    problem = {"type": f"urn:ietf:params:acme:error:{kind}", "detail": detail, "status": status}
    return JSONResponse(problem, status, headers, media_type="application/problem+json")
