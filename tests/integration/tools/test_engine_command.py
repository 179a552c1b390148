"""The Pulumi command is located, downloaded or built; an incomplete one is never used."""

from __future__ import annotations

import hashlib
import io
import socket
import ssl
import tarfile
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from controlplane.authority.certificates import create_ca, issue
from tests.support.faults import assert_shows, printed
from tests.support.waiting import SECONDS
from tools import faults
from tools.pulumi import command
from tools.pulumi.parts import CHECKSUMS, VERSION, Kind, Part

OURS = f"#!/bin/sh\necho v{VERSION}\n"
OTHER = "#!/bin/sh\necho v3.1.0\n"


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty cache, and no proxy between us and the servers of these tests."""
    monkeypatch.setenv("PENGUIN_CACHE_DIR", str(tmp_path / "cache"))
    monkeypatch.setenv("no_proxy", "*")
    return tmp_path / "cache"


def executable(path: Path, text: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    path.chmod(0o755)
    return path


class TestPath:
    def test_command_of_another_version_is_not_used(self, tmp_path: Path) -> None:
        pulumi = executable(tmp_path / "bin" / "pulumi", OTHER)
        assert command.on_path(str(tmp_path / "bin")) is None
        executable(pulumi, OURS)
        part = command.on_path(str(tmp_path / "bin"))
        assert part is not None
        assert (part.path, part.kind) == (pulumi, Kind.OFFICIAL)

    def test_command_of_our_engine_is_not_official(self, tmp_path: Path) -> None:
        executable(tmp_path / "ours" / "bin" / "pulumi", OURS)
        official = executable(tmp_path / "theirs" / "pulumi", OURS)
        search = f"{tmp_path}/ours/bin:{tmp_path}/theirs"
        part = command.on_path(search, ours=(tmp_path / "ours",))
        assert part is not None
        assert part.path == official
        assert command.on_path(f"{tmp_path}/ours/bin", ours=(tmp_path / "ours",)) is None

    def test_command_that_cannot_run_is_not_used(self, tmp_path: Path) -> None:
        executable(tmp_path / "bin" / "pulumi", "#!/no/such/interpreter\n")
        assert command.on_path(str(tmp_path / "bin")) is None


def distribution(script: str) -> bytes:
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w:gz") as tar:
        for name in ("pulumi", "pulumi-language-python"):
            entry = tarfile.TarInfo(f"pulumi/{name}")
            entry.size, entry.mode = len(script), 0o755
            tar.addfile(entry, io.BytesIO(script.encode()))
    return packed.getvalue()


class Site:
    """A download site that answers every request with `body`, or its first `sent` bytes.

    `redirect` is where it sends its visitors instead; `checksum` is what they expect.
    """

    def __init__(self, directory: Path, *, encrypted: bool = True) -> None:
        self.body = b""
        self.redirect = ""
        self.checksum: str | None = None
        self.sent: int | None = None
        self.requested_paths: list[str] = []
        site = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                site.requested_paths.append(self.path)
                elsewhere = site.redirect and not self.path.startswith("/mirror/")
                self.send_response(302 if elsewhere else 200)
                if elsewhere:
                    self.send_header("Location", site.redirect + self.path)
                self.send_header("Content-Length", str(len(site.body)))
                self.end_headers()
                self.wfile.write(site.body[: site.sent])

            def log_message(self, *_: object) -> None:
                """Log nothing."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.context = ssl.create_default_context()
        if encrypted:
            self._encrypt(directory)
        self._thread = threading.Thread(target=self._server.serve_forever)
        self._thread.start()
        scheme = "https" if encrypted else "http"
        self.url = f"{scheme}://localhost:{self._server.server_port}"

    def _encrypt(self, directory: Path) -> None:
        """Serve with a certificate that `context` trusts."""
        ca = create_ca("test", now=datetime.now(UTC))
        leaf = issue(ca, "localhost", now=datetime.now(UTC))
        pem = directory / "site.pem"
        pem.write_text(leaf.certificate + leaf.private_key)
        server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        server.load_cert_chain(pem)
        self._server.socket = server.wrap_socket(self._server.socket, server_side=True)
        self.context.load_verify_locations(cadata=ca.certificate)

    def download(self, lines: list[str] | None = None) -> Part | None:
        """Download from here, as if the distribution had this checksum (of `body` by default)."""
        checksum = self.checksum or hashlib.sha256(self.body).hexdigest()
        source = command.Source(
            base=self.url,
            checksums=dict.fromkeys(CHECKSUMS, checksum),
            context=self.context,
            timeout=SECONDS,
        )
        reported: list[str] = [] if lines is None else lines
        return command.download(reported.append, source)

    def close(self) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    site = Site(tmp_path)
    yield site
    site.close()


@pytest.fixture
def plain_site(tmp_path: Path) -> Iterator[Site]:
    """A site without encryption."""
    site = Site(tmp_path, encrypted=False)
    yield site
    site.close()


class TestDownload:
    def test_download_keeps_the_whole_distribution(self, site: Site) -> None:
        site.body = distribution(OURS)
        part = site.download()
        assert part is not None
        assert part == command.cached()
        assert part.kind is Kind.OFFICIAL
        assert (part.path.parent / "pulumi-language-python").exists()
        assert site.requested_paths[0].startswith(f"/v{VERSION}/pulumi-v{VERSION}-linux-")
        assert site.download() == part
        assert len(site.requested_paths) == 1

    def test_download_with_another_checksum_is_refused_before_it_runs(
        self, site: Site, tmp_path: Path
    ) -> None:
        site.body = distribution(f"#!/bin/sh\ntouch {tmp_path}/ran\necho v{VERSION}\n")
        site.checksum = hashlib.sha256(b"what Pulumi published").hexdigest()
        lines: list[str] = []
        assert site.download(lines) is None
        assert command.cached() is None
        assert not (tmp_path / "ran").exists()
        assert "is not the one that Pulumi published" in lines[-1]

    def test_download_is_never_plain(self, site: Site, plain_site: Site) -> None:
        for one in (site, plain_site):
            one.body = distribution(OURS)
        assert plain_site.download() is None
        site.redirect = plain_site.url
        assert site.download() is None
        assert plain_site.requested_paths == []
        assert command.cached() is None

    def test_download_that_is_redirected_to_an_encrypted_address_is_used(self, site: Site) -> None:
        site.body = distribution(OURS)
        site.redirect = f"{site.url}/mirror"
        assert site.download() is not None
        assert len(site.requested_paths) == 2

    def test_download_from_a_site_with_an_unknown_certificate_is_not_used(self, site: Site) -> None:
        site.body = distribution(OURS)
        site.context = ssl.create_default_context()
        assert site.download() is None
        assert site.requested_paths == []

    def test_every_system_has_a_checksum_of_its_own(self) -> None:
        assert set(CHECKSUMS) == {"darwin-arm64", "darwin-x64", "linux-arm64", "linux-x64"}
        assert len({value for value in CHECKSUMS.values() if len(value) == 64}) == 4

    def test_system_without_a_checksum_downloads_nothing(self, site: Site) -> None:
        source = command.Source(base=site.url, checksums={}, context=site.context)
        assert command.download(lambda _: None, source) is None
        assert site.requested_paths == []

    @pytest.mark.parametrize("script", [OTHER, "#!/no/such/interpreter\n"])
    def test_download_of_another_program_is_refused(self, site: Site, script: str) -> None:
        site.body = distribution(script)
        assert site.download() is None
        assert command.cached() is None

    @pytest.mark.parametrize("sent", [0, 60])
    def test_download_that_is_incomplete_is_not_used(self, site: Site, sent: int) -> None:
        site.body, site.sent = distribution(OURS), sent
        assert site.download() is None
        assert command.cached() is None

    def test_download_of_a_page_is_not_used(self, site: Site) -> None:
        site.body = b"<html>Please log in to this network</html>"
        assert site.download() is None

    def test_download_without_connection_is_not_used(self) -> None:
        source = command.Source(base="https://127.0.0.1:9")
        assert command.download(lambda _: None, source) is None

    def test_download_from_a_silent_site_ends_soon(self) -> None:
        with socket.create_server(("127.0.0.1", 0)) as silent:
            url = f"https://127.0.0.1:{silent.getsockname()[1]}"
            assert command.download(lambda _: None, command.Source(url, timeout=0.2)) is None


GO = """#!/bin/sh
echo "$@" >> {log}
case "$1" in
list) printf 'a\\nb\\nc\\n' ;;
build)
  printf 'a\\nb\\nc\\n' >&2
  while [ "$1" != -o ]; do shift; done
  {build}
  ;;
esac
"""


class TestBuild:
    @pytest.fixture
    def go(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
        """A Go tool that logs its arguments and builds a file."""
        build = 'printf "x" > "$2"'
        script = GO.format(log=tmp_path / "arguments", build=build)
        executable(tmp_path / "go" / "go", script)
        monkeypatch.setenv("PATH", f"{tmp_path}/go:/usr/bin:/bin")
        return tmp_path / "arguments"

    def test_build_reports_progress_and_keeps_the_result(self, go: Path) -> None:
        lines: list[str] = []
        part = command.build(lines.append)
        assert part.kind is Kind.BUILT
        assert part == command.cached()
        assert part.path.read_text() == "x"
        assert lines[0].startswith("fetching Go modules")
        assert lines[-1].endswith("3/3 packages")

    def test_build_of_two_checkouts_runs_once(self, go: Path) -> None:
        with ThreadPoolExecutor() as pool:
            parts = [pool.submit(command.build, lambda _: None) for _ in range(2)]
            assert parts[0].result() == parts[1].result()
        assert len([line for line in go.read_text().splitlines() if "build" in line]) == 1

    def test_build_that_was_killed_leaves_nothing_to_the_next(self, go: Path, cache: Path) -> None:
        abandoned = cache / "engine" / "building-abc" / "engine" / "bin" / "pulumi"
        abandoned.parent.mkdir(parents=True)
        abandoned.write_text("half")
        assert command.build(lambda _: None) == command.cached()
        assert not [path for path in (cache / "engine").iterdir() if "building-" in path.name]

    def test_build_that_fails_names_the_log_and_leaves_nothing(
        self, tmp_path: Path, go: Path, cache: Path
    ) -> None:
        script = GO.format(log=go, build="echo 'no space left on device' >&2; exit 1")
        executable(tmp_path / "go" / "go", script)
        assert_shows(printed(lambda: command.build(lambda _: None)), faults.BUILD_FAILED)
        assert "no space left" in (cache / "engine" / "build.log").read_text()
        assert command.cached() is None
        assert {path.name for path in (cache / "engine").iterdir()} == {"build.log", "build.lock"}

    def test_build_without_go_is_refused(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("PATH", str(tmp_path))
        assert_shows(printed(lambda: command.build(lambda _: None)), faults.GO_MISSING)
