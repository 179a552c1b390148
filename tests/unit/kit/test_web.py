"""A redirect takes no credential along; requests without TLS load no authorities."""

from __future__ import annotations

import ssl
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from urllib.error import HTTPError
from urllib.request import Request

import pytest

from kit.web import verification, without_redirects


@pytest.fixture
def redirecting() -> Iterator[tuple[str, list[str]]]:
    """A server that redirects to itself, and the paths that were requested."""
    paths: list[str] = []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            paths.append(self.path)
            self.send_response(302)
            self.send_header("Location", "/elsewhere")
            self.end_headers()

        def log_message(self, *_: object) -> None:
            """Log nothing."""

    server = HTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}", paths
    server.shutdown()
    thread.join()
    server.server_close()


def test_request_with_a_credential_follows_no_redirect(
    redirecting: tuple[str, list[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("no_proxy", "*")
    url, paths = redirecting
    request = Request(  # noqa: S310 - the server of this test
        url + "/first", headers={"Authorization": "Bearer x"}
    )
    with pytest.raises(HTTPError, match="302") as refused:
        without_redirects().open(request)
    refused.value.close()
    assert paths == ["/first"]


def test_certificates_are_verified_by_the_authorities_of_the_system_or_refused() -> None:
    assert verification("https://api.example:8443/") is True

    context = verification("http://127.0.0.1:8080")
    assert isinstance(context, ssl.SSLContext)
    assert context.cert_store_stats()["x509"] == 0
    assert (context.verify_mode, context.check_hostname) == (ssl.CERT_REQUIRED, True)
