"""What a host sees: starts, overrides, certificates. These need the stand-in's containers."""

from __future__ import annotations

import json
import secrets
from collections.abc import Iterator
from functools import partial

import pytest

from tests.contract.mailu.conftest import Names
from tests.support.containers import GATEWAY, Container
from tests.support.mail_clients import SmtpClient
from tests.support.mailu_containers import Mailu, wait_until_ready
from tests.support.waiting import wait_for

from .conftest import OUT, Front, Person, text


@pytest.fixture
def another(mailu: Mailu) -> Iterator[Mailu]:
    """The same bridge, on which antispam and front are replaced; they are back afterwards."""
    yield mailu
    for part in ("front", "antispam"):
        _restarted(mailu, part)


def test_mail_waits_until_antispam_has_found_admin(
    another: Mailu, person: Person, front: Front
) -> None:
    containers = another.containers
    waiting = containers.restart("antispam", ADMIN_ADDRESS=GATEWAY)
    wait_for(lambda: "admin does not answer yet" in waiting.text)
    client = front.smtp()
    client.ehlo()
    client.mail(OUT)
    code, _ = client.rcpt(person.address)
    if code == 250:
        code, _ = client.data(text(OUT, person.address, secrets.token_hex(6)))
    assert code == 451


def test_filter_has_the_thresholds_of_rspamd(mailu: Mailu) -> None:
    ask = ("curl", "-s", "http://127.0.0.1:11334/actions")
    shown = json.loads(_restarted(mailu, "antispam").run(*ask))
    found = {each["action"]: each["value"] for each in shown if each["value"] is not None}
    limits = {name: found[name] for name in ("greylist", "add header", "reject")}
    assert limits == {"greylist": 4, "add header": 6, "reject": 15}


def test_overrides_are_read_at_the_start_alone(mailu: Mailu) -> None:
    overrides = mailu.containers.volume("overrides/postfix")
    before = _size_limit(mailu)
    (overrides / "postfix.cf").write_text("# a comment\nmessage_size_limit=12345678\n")
    (overrides / "transport.map").write_text("slow.test polite:\n")
    assert _size_limit(mailu) == before
    table = ("postmap", "-q", "slow.test", "lmdb:/etc/postfix/transport.map")
    assert _restarted(mailu, "smtp").run(*table) == "polite:\n"
    assert _size_limit(mailu) == "12345678"
    for file in overrides.iterdir():
        file.unlink()
    _restarted(mailu, "smtp")
    assert _size_limit(mailu) == before


@pytest.mark.parametrize(("setting", "submitted"), [("no", 250), ("yes", 550)])
def test_setting_for_unlisted_recipients_is_of_submission_alone(
    mailu: Mailu, person: Person, front: Front, setting: str, submitted: int
) -> None:
    nothing = f"nothing@{person.domain}"
    _restarted(mailu, "smtp", REJECT_UNLISTED_RECIPIENT=setting)
    try:
        assert front.smtp().envelope(OUT, nothing) == [550]
        client = front.submission(person.address, person.token)
        assert client.envelope(person.address, nothing) == [submitted]
    finally:
        _restarted(mailu, "smtp")


def test_sender_is_warned_after_five_minutes_unless_overrides_say_otherwise(mailu: Mailu) -> None:
    overrides = mailu.containers.volume("overrides/postfix")
    ask = ("postconf", "-h", "delay_warning_time")
    (overrides / "postfix.cf").write_text("delay_warning_time = 4h\n")
    assert _restarted(mailu, "smtp").run(*ask) == "4h\n"
    (overrides / "postfix.cf").unlink()
    assert _restarted(mailu, "smtp").run(*ask) == "5m\n"


def test_postmaster_is_notified_of_mail_that_is_late(mailu: Mailu) -> None:
    shown = _restarted(mailu, "smtp").run("postconf", "-h", "notify_classes")
    assert set(shown.strip().split(", ")) == {"resource", "software", "delay"}


def test_port_for_submission_has_no_pipelining(mailu: Mailu, front: Front) -> None:
    features = {}
    for port in (25, 10025):
        with mailu.containers.connect("smtp", port, GATEWAY) as connection:
            client = SmtpClient(connection, front.hostname)
            client.ehlo()
            features[port] = "pipelining" in client.esmtp_features
    assert features == {25: True, 10025: False}


def test_domain_that_was_lost_is_refused_for_now_where_overrides_say_so(
    mailu: Mailu, names: Names, person: Person, front: Front
) -> None:
    overrides = mailu.containers.volume("overrides/postfix")
    (overrides / "postfix.cf").write_text("relay_domains_reject_code = 454\n")
    # A process that serves several connections remembers domains.
    (overrides / "postfix.master").write_text("smtp/inet=smtp inet n - n - - smtpd -o max_use=1\n")
    try:
        _restarted(mailu, "smtp")
        assert _codes(front, person.address) == {250}
        names.client("DELETE", f"/domain/{person.domain}")
        assert _codes(front, person.address) == {454}
    finally:
        for file in overrides.iterdir():
            file.unlink()
        _restarted(mailu, "smtp")


def test_certificate_that_comes_late_opens_the_ports_of_nginx(another: Mailu, front: Front) -> None:
    containers = another.containers
    certs = containers.volume("certs")
    for file in certs.glob("*.pem"):
        file.unlink()
    restarted = containers.restart("front")
    wait_for(lambda: _features(front) is not None)
    assert "starttls" not in (_features(front) or {})
    for port in (443, 465, 993):
        with pytest.raises(ConnectionRefusedError):
            front.connect(port)
    another.lay_certificate()
    wait_for(lambda: "starttls" in (_features(front) or {}))
    assert wait_for(lambda: _serial(front, 443))
    with pytest.raises(ConnectionRefusedError):
        front.connect(993)
    assert "no certificate" in restarted.text


def test_renewed_certificate_is_served_at_every_port(mailu: Mailu, front: Front) -> None:
    before = _serial(front, 443)
    for port in (465, 993):  # all servers have started
        wait_for(partial(_serves, front, port, before))
    mailu.lay_certificate()
    wait_for(lambda: _serial(front, 443) != before)
    after = _serial(front, 443)
    for port in (465, 993):
        wait_for(partial(_serves, front, port, after))


def test_web_has_no_api_unless_it_is_switched_on(another: Mailu, front: Front) -> None:
    assert _status(front, "/api/v1/domain") == 404
    _restarted(another, "front", API="true")
    assert _status(front, "/api/v1/domain") == 401


def test_account_is_made_where_a_killed_start_left_its_group_and_locks(mailu: Mailu) -> None:
    container = _restarted(mailu, "smtp")
    locks = " ".join(f"/etc/{name}.lock" for name in ("group", "gshadow", "passwd", "shadow"))
    container.run("sh", "-ec", f"groupadd half; for lock in {locks}; do echo 1 > $lock; done")
    make = "from lab.mailu.container.admin import make_account; make_account('half')"
    container.run(
        "env", "PYTHONPATH=/opt/stand-in", "python3", "-c", f"{make}; make_account('half')"
    )
    assert container.run("id", "-gn", "half") == "half\n"


def _restarted(mailu: Mailu, part: str, **changed: str) -> Container:
    container = mailu.containers.restart(part, **changed)
    wait_until_ready(mailu.containers, part)
    return container


def _codes(front: Front, recipient: str) -> set[int]:
    """Return what several connections, one after the other, are answered for a recipient."""
    codes = set()
    for _ in range(10):
        with front.smtp() as client:
            codes.update(client.envelope(OUT, recipient))
    return codes


def _size_limit(mailu: Mailu) -> str:
    """Return the limit that smtp itself tells front."""
    with SmtpClient(mailu.containers.connect("smtp", 25, GATEWAY), "smtp") as client:
        client.ehlo()
        return client.esmtp_features["size"]


def _features(front: Front) -> dict[str, str] | None:
    client = front.smtp()
    client.ehlo()
    return client.esmtp_features


def _serves(front: Front, port: int, serial: str) -> bool:
    return _serial(front, port) == serial


def _serial(front: Front, port: int) -> str:
    return str((front.protected(port).getpeercert() or {})["serialNumber"])


def _status(front: Front, path: str) -> int:
    connection = front.protected(443)
    connection.sendall(f"GET {path} HTTP/1.0\r\nHost: {front.hostname}\r\n\r\n".encode())
    return int(connection.recv(64).split()[1])
