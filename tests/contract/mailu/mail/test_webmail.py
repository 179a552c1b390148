"""Webmail behind front: mail is read there after a login with a password only."""

from __future__ import annotations

import re
from html import unescape
from http.client import HTTPConnection, HTTPResponse
from http.cookies import SimpleCookie
from urllib.parse import urlencode

import pytest

from tests.contract.mailu.conftest import PASSWORD
from tests.support.forms import hidden_fields
from tests.support.mailu_containers import Mailu
from tests.support.waiting import wait_for

from .conftest import OUT, Front, Person
from .test_delivery import sent


class Browser:
    """Asks front by HTTPS, and keeps cookies."""

    def __init__(self, front: Front) -> None:
        self._front = front
        self._cookies: dict[str, str] = {}
        self.text = ""
        """Of the last answer."""

    def __call__(self, method: str, path: str, **form: str) -> HTTPResponse:
        connection = HTTPConnection(self._front.hostname, timeout=60)
        connection.sock = self._front.protected(443)
        cookies = "; ".join(f"{name}={value}" for name, value in self._cookies.items())
        headers = {"Cookie": cookies, "Content-Type": "application/x-www-form-urlencoded"}
        connection.request(method, path, urlencode(form) if form else None, headers)
        answer = connection.getresponse()
        self.text = answer.read().decode()
        for line in answer.headers.get_all("Set-Cookie", []):
            for name, morsel in SimpleCookie(line).items():
                self._cookies[name] = morsel.value
        connection.close()
        return answer

    def log_in(self, user: str, password: str) -> HTTPResponse:
        """Send the login form."""
        self("GET", "/sso/login")
        return self("POST", "/sso/login", **hidden_fields(self.text), email=user, pw=password)

    def lines(self) -> list[str]:
        """Return what the stand-in's page lists."""
        assert self("GET", "/webmail/").status == 200, self.text
        return [unescape(line) for line in re.findall(r"<li>(.*)</li>", self.text)]


@pytest.fixture
def browser(front: Front) -> Browser:
    return Browser(front)


def location(answer: HTTPResponse) -> str:
    """Return the path that an answer leads to."""
    assert answer.status in (301, 302), answer.status
    return re.sub(r"^https?://[^/]+", "", answer.headers["Location"])


def test_webmail_leads_to_the_login_page_and_back(browser: Browser, person: Person) -> None:
    assert location(browser("GET", "/webmail")) == "/webmail/"
    assert location(browser("GET", "/webmail/")).startswith("/sso/login")
    assert browser.log_in(person.address, "wrong").status == 200
    assert location(browser("GET", "/webmail/")).startswith("/sso/login")
    assert location(browser.log_in(person.address, PASSWORD)).startswith("/webmail")
    assert browser("GET", "/webmail/").status == 200


def test_question_of_front_is_not_asked_from_outside(browser: Browser) -> None:
    assert browser("GET", "/internal/auth/user").status == 404


def test_stand_in_shows_and_sends_mail(browser: Browser, person: Person, mailu: Mailu) -> None:
    mark = sent(person.front, OUT, person.address)
    browser.log_in(person.address, PASSWORD)
    wait_for(lambda: [line for line in browser.lines() if line.endswith(f": {mark}")])

    answer = browser("POST", "/webmail/", to=person.address, subject="by webmail", text="Hello")
    assert answer.status == 303, browser.text
    assert b"Hello" in person.received("by webmail")
    assert f"{person.address}: by webmail" in browser.lines()


def test_stand_in_believes_front_alone(browser: Browser, mailu: Mailu) -> None:
    """Webmail has no login of its own: without front's headers it shows nothing."""
    connection = HTTPConnection("webmail", timeout=60)
    connection.sock = mailu.containers.connect("webmail", 80)
    connection.request("GET", "/")
    assert connection.getresponse().status == 403
    connection.close()
