"""From a request to its answer: path, method, body, token, handler, in this order."""

from __future__ import annotations

import logging
from collections.abc import Sequence

from lab.mailu.admin.access import authorize
from lab.mailu.admin.application import Application, Call
from lab.mailu.admin.bodies import document_of
from lab.mailu.admin.messages import (
    Aborted,
    Answer,
    Invalid,
    NotFound,
    Refused,
    Request,
    page,
    shown,
)
from lab.mailu.admin.routing import API, Route

LOG = logging.getLogger("admin")
Found = tuple[Route, dict[str, str]]


class Dispatcher:
    """Answers requests."""

    def __init__(self, app: Application, routes: Sequence[Route]) -> None:
        self._app = app
        self._routes = routes

    def __call__(self, request: Request) -> Answer:
        """Answer a request; what a handler does not foresee is a 500."""
        path = self._path(request)
        found = [
            (route, match.groupdict())
            for route in self._routes
            if (match := route.pattern.fullmatch(path))
        ]
        in_api = path.startswith(API + "/")
        if not found:
            return page(404)
        method = "GET" if request.method == "HEAD" else request.method
        chosen = next((each for each in found if each[0].method == method), None)
        if chosen is None:
            return shown({"message": "The method is not allowed"}, 405) if in_api else page(405)
        try:
            return self._handled(request, *chosen)
        except (Aborted, Invalid, NotFound, Refused) as refusal:
            return refusal.answer
        except Exception:
            LOG.exception("%s %s failed", request.method, path)
            return shown({"message": "Internal error"}, 500) if in_api else page(500)

    def _path(self, request: Request) -> str:
        """Return the path as the routes have it: the API's root is a setting."""
        root = self._app.settings.api_root + "/v1"
        inside = request.path == root or request.path.startswith(root + "/")
        if inside:
            return API + request.path.removeprefix(root)
        return "" if request.path.startswith(API) else request.path

    def _handled(self, request: Request, route: Route, arguments: dict[str, str]) -> Answer:
        started = self._app.clock()
        document = {} if route.fields is None else document_of(request, route.fields)
        if route.token:
            authorize(self._app, request)
        with self._app.database.transaction(writes=route.writes) as store:
            return route.handler(Call(self._app, store, request, document, arguments, started))
