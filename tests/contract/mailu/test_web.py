"""The login page of webmail: a session in a browser, and a token by which webmail logs in."""

from __future__ import annotations

from http.cookies import SimpleCookie
from urllib.parse import urlencode

import pytest

from tests.support.forms import hidden_fields

from .client import Answer, Client, route
from .conftest import PASSWORD, Names
from .logins import RIGHT, WRONG, login

pytestmark = pytest.mark.locks


class Browser:
    """Keeps cookies, also those that are for HTTPS only, as through front."""

    def __init__(self, client: Client, address: str) -> None:
        self._client = client
        self._address = address
        self._cookies: dict[str, str] = {}

    def __call__(self, method: str, path: str, **form: str) -> Answer:
        cookies = "; ".join(f"{name}={value}" for name, value in self._cookies.items())
        headers = {"Cookie": cookies, "X-Real-IP": self._address}
        content = urlencode(form).encode() if form else None
        if form:
            headers["Content-Type"] = "application/x-www-form-urlencoded"
        answer = self._client.plain(method, path, headers=headers, content=content)
        for line in answer.headers.get_list("set-cookie"):
            for name, morsel in SimpleCookie(line).items():
                self._cookies[name] = morsel.value
        return answer

    def log_in(self, user: str, password: str) -> Answer:
        """Send the login form with all that is in it."""
        fields = hidden_fields(self("GET", "/sso/login").text)
        return self("POST", "/sso/login", **fields, email=user, pw=password)


@pytest.fixture
def browser(client: Client, client_address: str) -> Browser:
    return Browser(client, client_address)


@route("GET /sso/login")
@route("POST /sso/login")
@route("GET /internal/auth/user")
def test_person_who_has_logged_in_is_let_through_with_a_token(browser: Browser, user: str) -> None:
    assert browser("GET", "/internal/auth/user").status_code == 403
    assert browser.log_in(user, PASSWORD).status_code == 302
    asked = [browser("GET", "/internal/auth/user") for _ in range(2)]
    assert [answer.status_code for answer in asked] == [200, 200]
    assert {answer.headers["X-User"] for answer in asked} == {user}
    [token] = {answer.headers["X-User-Token"] for answer in asked}
    assert token.startswith("token-")


@pytest.mark.parametrize("protocol", ["imap", "smtp"])
def test_token_of_webmail_logs_in_at_the_ports_of_webmail_alone(
    browser: Browser, client: Client, names: Names, domain: str, client_address: str, protocol: str
) -> None:
    user, other = names.user(domain), names.user(domain, "eve")
    browser.log_in(user, PASSWORD)
    token = browser("GET", "/internal/auth/user").headers["X-User-Token"]
    ports = {"imap": ("10143", "993"), "smtp": ("10025", "465")}[protocol]

    def verdicts(name: str) -> list[str]:
        address = client_address
        return [login(client, name, token, address, protocol, port=port) for port in ports]

    assert verdicts(user) == [RIGHT, WRONG]
    assert verdicts(other) == [WRONG, WRONG]


def test_login_needs_the_form_of_this_browser_and_the_password(
    browser: Browser, client: Client, names: Names, user: str
) -> None:
    form = {"email": user, "pw": PASSWORD, "submitWebmail": "1"}
    assert browser("POST", "/sso/login", **form).status_code == 200
    assert browser.log_in(user, "wrong").status_code == 200
    assert browser.log_in(user, names.token(user)["token"]).status_code == 200
    assert browser("GET", "/internal/auth/user").status_code == 403


@route("GET /sso/logout")
def test_session_ends_at_the_logout_and_with_its_user(
    browser: Browser, client: Client, user: str
) -> None:
    browser.log_in(user, PASSWORD)
    assert browser("GET", "/sso/logout").status_code == 302
    assert browser("GET", "/internal/auth/user").status_code == 403

    browser.log_in(user, PASSWORD)
    assert browser("GET", "/internal/auth/user").status_code == 200
    assert client("PATCH", f"/user/{user}", {"enabled": False}).status_code == 200
    assert browser("GET", "/internal/auth/user").status_code == 403
