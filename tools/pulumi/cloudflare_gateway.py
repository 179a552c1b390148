"""Between the Cloudflare plugin, Pulumi's own or our stand-in, and Cloudflare's API.

It serves the API on loopback, and a plugin gets that address in `CLOUDFLARE_BASE_URL`. An operation
of the control plane serves it (`start`): then it holds the token, keeps the account's rate, and
asks for permission before each change. By hand the engine starts it as its plugin (`main`), and it
runs the real one. Every answer is judged (`cloudflare_answers`):

- a refusal with status 200, or a result of another kind, becomes status 502: Pulumi's plugin reads
  `result` alone, so that it would take an empty record for a reading;
- a status 404 that does not say that the record is gone becomes 502 too: Pulumi's plugin forgets
  the record at any 404;
- a refused POST of a record that exists already, with our mark and the same content, is done: an
  earlier try, whose answer was lost, has written it;
- a DELETE of a record that is gone is done;
- a refusal for too many requests that lasts longer than an SDK waits is not repeated.

It repeats nothing itself: the plugin's SDK does.
"""

from __future__ import annotations

import hmac
import json
import os
import secrets
import signal
import subprocess
import sys
import threading
import urllib.error
import urllib.request
from collections.abc import Mapping
from contextlib import nullcontext
from dataclasses import dataclass
from http.client import HTTPException
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import urlencode, urlsplit

from kit.cloudflare import BASE, Answer, seconds_refused
from kit.faults import Fault, first_line, line
from kit.plugins import GATEWAY, Permission, Refused, Turn
from kit.web import without_redirects
from tools.pulumi.cloudflare_answers import CONFLICTS, RECORD, RECORDS, mistake, written
from tools.pulumi.serving import PARENT_CHECK_SECONDS

ADDRESS = "CLOUDFLARE_BASE_URL"
TOKEN = "CLOUDFLARE_API_TOKEN"  # noqa: S105 - the name of a variable
OF_THE_ENGINE = (
    "PULUMI_ACCESS_TOKEN",
    "PULUMI_BACKEND_URL",
    "PULUMI_CONFIG_PASSPHRASE",
    "PULUMI_CONFIG_PASSPHRASE_FILE",
)
"""Variables with the credentials of the engine's state, which its plugins inherit and never use."""
END_CHECK_SECONDS = 0.05
"""Between two checks whether the gateway is to end."""
PLACEHOLDER_BYTES = 32
TIMEOUT = 60
"""Seconds for one request; no plugin waits longer."""
LONGEST_TURN = 10
"""Seconds that a request waits for its turn; then the SDKs do, without keeping a call open."""
LONGEST_WAIT = 60
"""Seconds of `retry-after` beyond which the SDKs do not obey it."""
PASSED = ("content-type", "user-agent")
"""Headers of a request that are passed on."""
CREDENTIALS = ("authorization", "x-auth-email", "x-auth-key")
"""Headers that are passed on by a gateway that holds no token."""
RETURNED = ("ratelimit", "ratelimit-policy", "retry-after", "retry-after-ms", "cf-ray")
"""Headers of an answer that are passed on."""
NOT_REPEATED = {"x-should-retry": "false"}
JSON = "application/json"


@dataclass(frozen=True)
class Reply:
    """What the plugin is answered."""

    status: int
    body: bytes
    headers: Mapping[str, str]


class Gateway:
    """Passes requests on to Cloudflare at `upstream` and judges the answers.

    With a token, only requests with the `placeholder` are answered, and passed on with that token;
    without one, each is passed on with its own credentials.
    """

    def __init__(
        self,
        upstream: str,
        token: str | None = None,
        permission: Permission = nullcontext,
        turn: Turn = lambda _: True,
        refused: Refused = lambda _: None,
    ) -> None:
        self._upstream = upstream.rstrip("/")
        self._turn = turn
        self._refused = refused
        self._permission = permission
        self._open = without_redirects().open
        self.placeholder = secrets.token_urlsafe(PLACEHOLDER_BYTES)
        self._holds_token = token is not None
        self._added = {} if token is None else {"authorization": f"Bearer {token}"}
        self._passed = (*PASSED, *(CREDENTIALS if token is None else ()))

    def answer(self, method: str, target: str, body: bytes, headers: Mapping[str, str]) -> Reply:
        """Return the answer to a request of the plugin."""
        if self._holds_token and not self._has_placeholder(headers):
            return _refused("this gateway serves the engine of one operation")
        if not target.startswith("/"):  # it would lead to another server
            return _refused("the request has no path")
        try:
            if not self._turn(LONGEST_TURN):
                return _limited()
            with nullcontext() if method == "GET" else self._permission():
                reply = self._ask(method, target, body, headers)
        except Fault as fault:
            return _failed(line(fault), NOT_REPEATED)
        except (OSError, HTTPException) as error:
            return _failed(f"cannot reach {self._upstream}: {_reason(error)}", {})
        except ValueError:  # its text would show the token
            return _refused("the API token contains invalid characters: set CLOUDFLARE_API_TOKEN")
        answer, path = Answer.of(reply.status, reply.body), urlsplit(target).path
        if reply.status < 400:
            reason = mistake(answer, method, path)
            return reply if reason is None else _failed(reason, {**reply.headers, **NOT_REPEATED})
        if reply.status == 404 and not answer.is_gone:
            return _failed(answer.text() or "not found", {**reply.headers, **NOT_REPEATED})
        if reply.status == 429 and not _is_short(reply.headers):
            return Reply(reply.status, reply.body, {**reply.headers, **NOT_REPEATED})
        if answer.is_gone and method == "DELETE" and RECORD.fullmatch(path):
            return _granted({"id": path.rpartition("/")[2]})
        if method == "POST" and RECORDS.fullmatch(path) and not CONFLICTS.isdisjoint(answer.codes):
            return self._written_before(path, body, headers) or reply
        return reply

    def _has_placeholder(self, headers: Mapping[str, str]) -> bool:
        given, own = headers.get("authorization", ""), f"Bearer {self.placeholder}"
        return hmac.compare_digest(given.encode(), own.encode())

    def _written_before(self, path: str, body: bytes, headers: Mapping[str, str]) -> Reply | None:
        """Return the record that an earlier try has written, None when there is none.

        Where that cannot be read, its failure is returned: the conflict may be with ourselves.
        """
        wanted = json.loads(body)
        if not wanted.get("comment"):
            return None
        query = urlencode({"type": wanted["type"], "comment.exact": wanted["comment"]})
        reply = self.answer("GET", f"{path}?{query}", b"", headers)
        if reply.status != 200:
            return reply
        record = written(wanted, Answer.of(reply.status, reply.body).result)
        return None if record is None else _granted(record)

    def _ask(self, method: str, target: str, body: bytes, headers: Mapping[str, str]) -> Reply:
        request = urllib.request.Request(  # noqa: S310 - the operator's URL
            self._upstream + target,
            data=body or None,
            method=method,
            headers={name: headers[name] for name in self._passed if name in headers} | self._added,
        )
        try:
            with self._open(request, timeout=TIMEOUT) as response:
                return Reply(response.status, response.read(), _returned(response.headers))
        except urllib.error.HTTPError as error:
            with error:
                returned = _returned(error.headers)
                if error.code == 429:
                    self._refused(seconds_refused(returned))
                return Reply(error.code, error.read(), returned)


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self, gateway: Gateway) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.gateway = gateway


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    server: _Server

    def _answer(self) -> None:
        body = self.rfile.read(int(self.headers.get("content-length") or 0))
        headers = {name.lower(): value for name, value in self.headers.items()}
        reply = self.server.gateway.answer(self.command, self.path, body, headers)
        self.send_response(reply.status)
        for name, value in {"content-type": JSON, **reply.headers}.items():
            self.send_header(name, value)
        self.send_header("content-length", str(len(reply.body)))
        self.end_headers()
        self.wfile.write(reply.body)

    do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = _answer  # noqa: N815 - names of the library

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the library's name
        """Standard error is shown to the operator."""


def serve(gateway: Gateway) -> _Server:
    """Serve a gateway on a free loopback port, in a thread."""
    server = _Server(gateway)
    threading.Thread(target=server.serve_forever, args=[END_CHECK_SECONDS], daemon=True).start()
    return server


class Serving:
    """A gateway with the token of an operation, in the operation's process."""

    def __init__(
        self,
        environment: Mapping[str, str],
        permission: Permission,
        turn: Turn,
        refused: Refused,
    ) -> None:
        token = environment.get(TOKEN, "").strip()
        gateway = Gateway(environment.get(ADDRESS) or BASE, token, permission, turn, refused)
        self._server = serve(gateway)
        self.environment = {
            GATEWAY: _address(self._server),
            ADDRESS: _address(self._server),
            TOKEN: gateway.placeholder,
            "no_proxy": _without_proxy(environment),
        }
        os.environ["no_proxy"] = self.environment["no_proxy"]  # for a plugin in this process

    def end(self) -> None:
        """Stop; requests under way are broken off with the process."""
        self._server.shutdown()
        self._server.server_close()


start = Serving
"""See `kit.plugins`."""


def _address(server: _Server) -> str:
    return f"http://127.0.0.1:{server.server_address[1]}"


def _without_proxy(environment: Mapping[str, str]) -> str:
    """Return what is reached without a proxy: what an environment names, and the gateway."""
    named = [environment.get(name) for name in ("no_proxy", "NO_PROXY")]
    return ",".join(["127.0.0.1", *filter(None, named)])


def main() -> None:
    """Run the plugin that the first argument names, or the stand-in, behind a gateway.

    In an operation of the control plane, the gateway is served by the operation's process.
    """
    for name in OF_THE_ENGINE:
        os.environ.pop(name, None)
    official = sys.argv[1:] if len(sys.argv) > 1 and sys.argv[1].startswith("/") else []
    if GATEWAY in os.environ:
        if official:
            os.execv(official[0], official)  # noqa: S606 - the plugin, without a shell
    else:
        server = serve(Gateway(os.environ.get(ADDRESS) or BASE))
        os.environ |= {ADDRESS: _address(server), "no_proxy": _without_proxy(os.environ)}
        if official:
            sys.exit(_run(official))
    from tools.pulumi import cloudflare_plugin  # with Cloudflare's SDK, which Pulumi's own has not

    cloudflare_plugin.main()


def _run(command: list[str]) -> int:
    """Run the plugin until it ends, a signal arrives, or the engine has ended."""
    parent = os.getppid()
    plugin = subprocess.Popen(command)
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: plugin.terminate())
    while True:
        try:
            return plugin.wait(PARENT_CHECK_SECONDS)
        except subprocess.TimeoutExpired:
            if os.getppid() != parent:
                plugin.terminate()


def _reason(error: Exception) -> str:
    cause = error.reason if isinstance(error, urllib.error.URLError) else error
    return first_line(
        cause if isinstance(cause, BaseException) else OSError(cause), "the answer broke off"
    )


def _returned(headers: Any) -> dict[str, str]:
    return {name: headers[name] for name in RETURNED if headers.get(name)}


def _is_short(headers: Mapping[str, str]) -> bool:
    """Return whether the SDKs wait as long as the answer asks."""
    if "retry-after-ms" in headers:
        return True
    seconds = headers.get("retry-after", "")
    return seconds.isdecimal() and int(seconds) <= LONGEST_WAIT


def _granted(result: Mapping[str, Any]) -> Reply:
    envelope = {"result": result, "success": True, "errors": [], "messages": []}
    return Reply(200, json.dumps(envelope).encode(), {})


def _refused(reason: str) -> Reply:
    """Return a refusal, which no plugin repeats."""
    return Reply(403, _errors(reason), {})


def _limited() -> Reply:
    """Return an answer after which the SDKs wait, and repeat the request."""
    reason = "the requests of this installation are limited (CLOUDFLARE_RATE)"
    return Reply(429, _errors(reason), {"retry-after": str(LONGEST_TURN)})


def _failed(reason: str, headers: Mapping[str, str]) -> Reply:
    """Return a failure that no plugin takes for an answer."""
    return Reply(502, _errors(reason), dict(headers))


def _errors(reason: str) -> bytes:
    errors = [{"code": 0, "message": reason}]
    envelope = {"result": None, "success": False, "errors": errors, "messages": []}
    return json.dumps(envelope).encode()


if __name__ == "__main__":
    main()
