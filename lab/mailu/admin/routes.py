"""All routes of the stand-in."""

from __future__ import annotations

from itertools import groupby

from lab.mailu.admin import web
from lab.mailu.admin.api import aliases, alternatives, domains, managers, relays, tokens, users
from lab.mailu.admin.application import Call
from lab.mailu.admin.internal import dovecot, logins, postfix, rspamd
from lab.mailu.admin.messages import Answer, page, shown
from lab.mailu.admin.routing import API, Route, api


def ping(_: Call) -> Answer:
    """Say that admin answers."""
    return Answer(200, b"", "text/html; charset=utf-8")


def describe(call: Call) -> Answer:
    """List paths and methods of the API, as Swagger does."""
    paths = groupby(sorted(API_ROUTES, key=lambda route: route.path), lambda route: route.path)
    return shown(
        {
            "swagger": "2.0",
            "basePath": call.app.settings.api_root + "/v1",
            "info": {"title": "Stand-in for the API of Mailu", "version": "1.0"},
            "paths": {
                path.removeprefix(API): {route.method.lower(): {} for route in group}
                for path, group in paths
            },
        }
    )


def show_documentation(_: Call) -> Answer:
    """Show a page where Mailu has its Swagger page."""
    return page(200)


API_ROUTES = (
    *domains.ROUTES,
    *managers.ROUTES,
    *alternatives.ROUTES,
    *users.ROUTES,
    *aliases.ROUTES,
    *relays.ROUTES,
    *tokens.ROUTES,
)
ROUTES: tuple[Route, ...] = (
    Route("GET", "/ping", ping),
    api("GET", "/", show_documentation, token=False),
    api("GET", "/swagger.json", describe, token=False),
    *API_ROUTES,
    *logins.ROUTES,
    *web.ROUTES,
    *postfix.ROUTES,
    *dovecot.ROUTES,
    *rspamd.ROUTES,
)
