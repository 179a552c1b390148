"""What every container of the stand-in image does before it becomes a daemon."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from kit.paths import checkout
from lab.mailu.container import environment, front, resolver
from lab.mailu.container.__main__ import CONFIGURATION_ERROR

MINIMAL = {"DOMAIN": "p.example", "HOSTNAMES": "mx.p.example", "PORTS": "25,80,443,465,993"}


def start(part: str, **environ: str) -> tuple[int, str, str]:
    """Start a part as its container does; return exit code, output, errors."""
    done = subprocess.run(
        [sys.executable, "-m", "lab.mailu.container", part],
        cwd=checkout(),
        env={"PATH": os.environ["PATH"], **environ},
        capture_output=True,
        text=True,
        check=False,
    )
    return done.returncode, done.stdout, done.stderr


def test_part_that_does_not_exist_says_so() -> None:
    code, output, errors = start("nothing")
    assert code == CONFIGURATION_ERROR
    assert output.startswith("stand-in: nothing of the lab; this is not Mailu's code")
    assert errors == "stand-in: nothing is not part of this stand-in\n"


@pytest.mark.parametrize("part", ["redis", "resolver", "front"])
def test_container_without_its_secret_ends(part: str, tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    code, _, errors = start(part, SECRET_KEY_FILE=str(secret))
    assert code == CONFIGURATION_ERROR
    assert errors == f"stand-in: SECRET_KEY_FILE={secret} does not exist\n"


@pytest.mark.parametrize("part", ["antispam", "front", "imap", "smtp", "webmail"])
def test_setting_that_is_not_known_ends_the_start(part: str) -> None:
    code, _, errors = start(part, MADE_UP="1")
    assert code == CONFIGURATION_ERROR
    assert errors == "stand-in: the stand-in knows no setting MADE_UP\n"


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("ANTIVIRUS", "clamav"),
        ("FULL_TEXT_SEARCH", "en"),
        ("PORTS", "25,995"),
        ("RELAYHOST", "relay.example"),
        ("SCAN_MACROS", "True"),
        ("TLS_FLAVOR", "letsencrypt"),
        ("WEBMAIL", "snappymail"),
    ],
)
def test_value_that_the_stand_in_lacks_is_refused(name: str, value: str) -> None:
    assert environment.read({"PORTS": "25,465", "SCAN_MACROS": "False", "TLS_FLAVOR": "cert"})
    with pytest.raises(environment.Refused, match=name):
        environment.read({name: value})


def test_front_without_a_certificate_has_neither_starttls_nor_port_443() -> None:
    known = environment.read(MINIMAL)
    plain = front.nginx(known, "192.0.2.1", encrypted=False)
    encrypted = front.nginx(known, "192.0.2.1", encrypted=True)
    for text in ("starttls on", "listen 443 ssl"):
        assert text not in plain
        assert text in encrypted
    for text in ("listen 25;", "listen 80 default_server", "xclient on", "smtp_auth none"):
        assert text in plain
        assert text in encrypted


def test_front_has_webmail_where_it_is_switched_on() -> None:
    without = environment.read(MINIMAL)
    known = environment.read({**MINIMAL, "WEBMAIL": "roundcube", "WEB_WEBMAIL": "/mail"})
    protocols = ["submission", "imap"]
    assert "location /mail {" in front.nginx(known, "192.0.2.1", encrypted=True)
    assert "port = 10143" in front.proxy(known, "192.0.2.2", protocols)
    assert "/sso/" not in front.nginx(without, "192.0.2.1", encrypted=True)
    assert "10143" not in front.proxy(without, "192.0.2.2", protocols)


def test_resolver_answers_the_containers_alone() -> None:
    text = resolver.configuration("10.1.2.0/24")
    allowed = [line.split()[1:] for line in text.splitlines() if "access-control" in line]
    assert allowed == [["127.0.0.0/8", "allow"], ["10.1.2.0/24", "allow"]]
    assert "cache-min-ttl: 300" in text
    assert 'module-config: "validator iterator"' in text


def test_root_servers_are_written_as_hints() -> None:
    assert resolver.hints({"a.registry.example": "198.18.0.56"}) == (
        ". 3600000 NS a.registry.example.\na.registry.example. 3600000 A 198.18.0.56\n"
    )
