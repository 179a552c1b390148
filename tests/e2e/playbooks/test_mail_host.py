"""A real host: configured twice, sending, refusing, rebooting, and repaired after failures."""

from __future__ import annotations

import smtplib
import socket
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ed25519

from blueprint.document import Blueprint
from blueprint.render import render
from blueprint.tenant import HostSpec, Tenant
from controlplane.ansible import faults
from controlplane.ansible.spools import HostSpools
from controlplane.reconciler.mail_ports import Spooled
from controlplane.reconciler.ports import Login, ObservedHost
from kit.faults import Fault
from tests.support.configurator_conformance import check_what_differs_is_changed_once
from tests.support.faults import assert_shows
from tests.support.greeting import greeting
from tests.support.installation import PLATFORM
from tests.support.waiting import SECONDS, wait_for

from .conftest import IDN, playbooks_of

pytestmark = pytest.mark.hosts

RETURN_PATH = f"b+{'abc234' * 8}@b.play.example"
MESSAGE = (
    "From: Ann <ann@play.example>\r\nTo: bob@rcpt.example\r\nSubject: {subject}\r\n"
    "Message-ID: <{subject}@play.example>\r\n\r\nHello.\r\n"
)


SPOOL = "/var/spool/postfix-egress-mx1-3"
UNIT = r"postfix@egress\x2dmx1\x2d3.service"


def shrunk(blueprint: Blueprint, drains: str) -> Blueprint:
    """Return the blueprint of a document without the last address, which drains."""
    document: dict[str, Any] = {
        "apiVersion": "penguinmails.dev/v1",
        "kind": "Tenant",
        "metadata": {"name": blueprint.tenant},
        "spec": blueprint.spec.model_dump(mode="json"),
    }
    [host] = document["spec"]["hosts"]
    draining = {drains: HostSpec.model_validate(host)}
    host["addresses"] -= 1
    tenant = Tenant.model_validate(document)
    return render(tenant, platform=PLATFORM, keys=blueprint.keys, generation=2, draining=draining)


def wait_for_port(address: str, port: int) -> None:
    """Wait until a server sends its greeting."""
    wait_for(lambda: greeting(address, port, 5))


def code_of(client: smtplib.SMTP, sender: str, recipient: str) -> int:
    """The first refusal of an envelope, or 250."""
    for code, _ in (client.mail(sender), client.rcpt(recipient)):
        if code != 250:
            return code
    return 250


def arrived(host: Any, text: str, directory: str) -> str:
    """Return the path of the mail with this text, once it is in a directory."""
    found = host.shell(
        f"for i in $(seq 500); do grep -rl '{text}' /var/mail/penguin/'{directory}'/new "
        "&& break; sleep 0.2; done"
    )
    return str(found).strip()


class TestConfiguring:
    def test_package_sources_that_are_dead_are_named_and_the_next_run_succeeds(self, runs) -> None:
        assert_shows(runs.broken, faults.PACKAGES_UNAVAILABLE, task=..., reason=...)
        assert runs.broken.where == "host/mx1"
        assert runs.first > 0

    def test_packages_interrupted_are_finished_and_daemons_may_start(self, mail_host) -> None:
        assert mail_host.shell("dpkg --audit; ls /usr/sbin/policy-rc.d 2>&1") == (
            "ls: cannot access '/usr/sbin/policy-rc.d': No such file or directory\n"
        )

    def test_host_without_containers_has_no_docker(self, mail_host) -> None:
        assert mail_host.shell("command -v dockerd; nft list tables") == "table inet penguin\n"

    def test_run_repeated_changes_nothing(self, runs) -> None:
        assert runs.second == 0

    def test_run_shows_no_secret_in_any_line_or_event(self, mail_host, runs) -> None:
        text = "\n".join([*mail_host.lines, *runs.events])
        hidden = [c.password for c in mail_host.credentials.values()]
        hidden += mail_host.secrets.password_hashes.values()
        hidden += ["PRIVATE KEY"]

        assert "Write submission users and keys" in text
        assert not [secret for secret in hidden if secret in text]

    def test_secrets_on_the_host_are_readable_by_their_daemons_only(self, mail_host) -> None:
        output = mail_host.shell(
            "stat -c '%a %U:%G' /etc/postfix-*/tls.pem /etc/dovecot/egress-users"
        )

        assert sorted(set(output.splitlines())) == ["600 root:root", "640 root:dovecot"]

    def test_password_login_is_refused(self, mail_host) -> None:
        with pytest.raises(Fault) as caught:
            mail_host.configurator(patience=timedelta()).first_contact(
                mail_host.observed,
                ssh_public_key=mail_host.blueprint.keys.ssh,
                password="anything",
                progress=lambda _: None,
            )

        assert_shows(caught.value, faults.SSH_REFUSED, reason=...)

    def test_people_removed_from_the_list_lose_access(self, mail_host, tmp_path) -> None:
        mail_host = replace(mail_host, playbooks=playbooks_of(tmp_path, "base"))
        key = mail_host.blueprint.keys.ssh
        mail_host.set_accounts(
            {"name": "ann", "key": key, "sudo": True}, {"name": "bob", "key": key}
        )
        assert mail_host.shell("sudo -n id -un", user="ann") == "root\n"
        assert mail_host.shell("id -un; sudo -n id -un", user="bob") == "bob\n"
        mail_host.shell("mkdir -p .ssh; cp /etc/penguin/people/bob .ssh/authorized_keys", "bob")

        mail_host.set_accounts({"name": "ann", "key": key})
        assert mail_host.shell("id -un", user="bob") == ""
        assert mail_host.shell("id -un; sudo -n id -un", user="ann") == "ann\n"
        mail_host.set_accounts()
        assert mail_host.shell("id -un", user="ann") == ""
        assert mail_host.shell("id -un") == "root\n"


class TestSending:
    @pytest.mark.parametrize("address", ["mx1-2", "mx1-3"])
    def test_mail_sent_leaves_from_its_address_under_its_name(
        self, mail_host, sink, address
    ) -> None:
        expected = next(a for a in mail_host.observed.addresses if a.name == address)
        subject = f"leaves-{address}"

        with mail_host.login(address) as client:
            assert code_of(client, RETURN_PATH, f"bob@[{mail_host.lab.sender_address}]") == 250
            code, answer = client.data(MESSAGE.format(subject=subject))
        delivery = sink.wait_for(lambda d: subject in d.text)

        assert code == 250
        assert b"queued as" in answer
        assert (delivery.source, delivery.helo) == (expected.ip, expected.helo)
        assert delivery.sender == RETURN_PATH
        assert "Received:" not in delivery.text

    def test_login_with_a_wrong_password_is_refused(self, mail_host) -> None:
        with (
            mail_host.submission("mx1-2") as client,
            pytest.raises(smtplib.SMTPAuthenticationError) as caught,
        ):
            client.login(mail_host.credentials["mx1-2"].username, "wrong")

        assert caught.value.smtp_code == 535

    def test_login_without_tls_is_refused(self, mail_host) -> None:
        with mail_host.submission("mx1-2", tls=False) as client:
            assert client.docmd("AUTH PLAIN AAAA")[0] == 530
            assert client.mail(RETURN_PATH)[0] == 530

    def test_mail_without_login_is_not_relayed(self, mail_host) -> None:
        with mail_host.submission("mx1-2") as client:
            assert code_of(client, RETURN_PATH, "bob@rcpt.example") == 554

    @pytest.mark.parametrize(
        "sender",
        [
            "ann@play.example",
            RETURN_PATH.replace("play", "foreign"),
            "b+abc234@b.play.example",
            "b@b.play.example",
            "",
        ],
    )
    def test_return_path_of_another_domain_is_refused(self, mail_host, sender) -> None:
        with mail_host.login("mx1-2") as client:
            assert code_of(client, sender, "bob@rcpt.example") in {553, 554}

    def test_login_of_another_address_is_refused(self, mail_host) -> None:
        other = mail_host.credentials["mx1-3"]
        with mail_host.submission("mx1-2") as client:
            client.login(other.username, other.password)
            assert code_of(client, RETURN_PATH, "bob@rcpt.example") == 553


class TestReceiving:
    @pytest.mark.parametrize(
        ("recipient", "code"),
        [
            (RETURN_PATH, 250),
            ("postmaster@play.example", 250),
            ("abuse@b.play.example", 250),
            ("postmaster@mx1-2.play.example", 250),
            ("sales@play.example", 250),
            ("Sales+Spring@play.example", 250),
            ("o'n/$1@play.example", 250),
            ("postmaster", 250),
            (RETURN_PATH.upper(), 250),
            (f"anybody@{IDN}", 250),
            (f"a/../../b@{IDN}", 250),
            ("b+x@b.play.example", 550),
            (f"b+x@b.{IDN}", 550),
            ("root", 550),
            ("bob%rcpt.example@play.example", 554),
            (f"bob%rcpt.example@{IDN}", 554),
            ("rcpt.example!bob@play.example", 554),
            ("bob@rcpt.example@play.example", 554),
            (RETURN_PATH.replace("b+", "b+aa"), 550),
            ("nobody@play.example", 550),
            ("bob@rcpt.example", 554),
        ],
    )
    def test_port_25_accepts_returned_mail_and_relays_nothing(
        self, mail_host, recipient, code
    ) -> None:
        with smtplib.SMTP(mail_host.observed.primary_ip, 25, timeout=SECONDS) as client:
            client.ehlo("else.example")
            assert code_of(client, "z@else.example", recipient) == code

    def test_domain_in_punycode_is_accepted_in_unicode_too(self, mail_host) -> None:
        domain = IDN.encode().decode("idna")
        with smtplib.SMTP(mail_host.observed.primary_ip, 25, timeout=SECONDS) as client:
            client.ehlo("else.example")
            assert client.docmd("MAIL FROM:<> SMTPUTF8")[0] == 250
            client.command_encoding = "utf-8"
            for name, code in ((domain, 250), (f"b.{domain}", 550), (f"x.{domain}", 554)):
                assert client.docmd(f"RCPT TO:<anybody@{name}>")[0] == code

    def test_mail_returned_is_kept(self, mail_host) -> None:
        with smtplib.SMTP(mail_host.observed.primary_ip, 25, timeout=SECONDS) as client:
            client.sendmail("", [RETURN_PATH], MESSAGE.format(subject="returned"))

        assert arrived(mail_host, "returned", "bounces")
        aged = (
            "cd /var/mail/penguin/bounces/new; touch -d '15 days ago' *; touch -d '13 days ago' new"
        )
        mail_host.shell(f"{aged}; systemd-tmpfiles --clean")
        assert mail_host.shell("ls /var/mail/penguin/bounces/new") == "new\n"
        assert mail_host.shell("systemctl is-active systemd-tmpfiles-clean.timer") == "active\n"

    @pytest.mark.parametrize(
        ("mailbox", "directory"),
        [("sales", "sales%40play.example"), ("o'n/$1", "o%27n%2F%241%40play.example")],
    )
    def test_mail_of_a_declared_mailbox_is_kept_in_its_own_directory(
        self, mail_host, mailbox, directory
    ) -> None:
        subject = f"for-{directory}"
        with smtplib.SMTP(mail_host.observed.primary_ip, 25, timeout=SECONDS) as client:
            recipient = f"{mailbox}@play.example"
            client.sendmail("z@else.example", [recipient], MESSAGE.format(subject=subject))

        assert arrived(mail_host, subject, f"people/{directory}")

    @pytest.mark.parametrize("end", [b"\n.\n", b"\n.\r\n", b"\r\n.\n", b"\r.\r", b"\r\n.\r"])
    def test_message_hidden_in_another_stays_part_of_it(self, mail_host, end) -> None:
        subject = f"smuggled-{end.hex()}"
        hidden = b"MAIL FROM:<>\r\nRCPT TO:<abuse@play.example>\r\nDATA\r\nhidden\r\n"
        with smtplib.SMTP(mail_host.observed.primary_ip, 25, timeout=SECONDS) as client:
            client.ehlo("else.example")
            assert code_of(client, "z@else.example", "abuse@play.example") == 250
            assert client.docmd("DATA")[0] == 354
            client.send(f"Subject: {subject}\r\n\r\nfirst".encode() + end + hidden)
            client.send(b"\r\n.\r\n")
            assert client.getreply()[0] == 250
            assert client.noop() == (250, b"2.0.0 Ok"), "no reply to a second message is between"

        assert arrived(mail_host, subject, "postmaster")
        assert (
            mail_host.shell(f"grep -rl '{subject}' /var/mail/penguin/postmaster/new | wc -l")
            == "1\n"
        )
        assert mail_host.shell("cat /var/mail/penguin/postmaster/new/* | grep -c ^hidden") != "0\n"

    def test_client_that_talks_before_its_turn_is_cut_off(self, mail_host) -> None:
        with socket.create_connection((mail_host.observed.primary_ip, 25), SECONDS) as stream:
            stream.sendall(b"HELO x.example\r\nMAIL FROM:<>\r\n" * 2)
            received = b"".join(iter(lambda: stream.recv(1000), b""))
        assert b"5.5.0" in received
        assert b"2.1.0" not in received

    def test_egress_addresses_refuse_port_25_at_once(self, mail_host) -> None:
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection((mail_host.observed.addresses[1].ip, 25), 5)


class TestLogs:
    def test_log_of_every_instance_is_rotated(self, mail_host) -> None:
        with smtplib.SMTP(mail_host.observed.primary_ip, 25, timeout=SECONDS):
            pass  # its log is not empty
        mail_host.shell("systemctl start penguin-logs.service")
        rotated = mail_host.shell("ls /var/log/penguin | sed -n 's/[.]log[.].*gz$//p' | sort -u")
        assert rotated.split() == [
            "postfix-egress-mx1-2",
            "postfix-egress-mx1-3",
            "postfix-inbound",
        ]


class TestTrouble:
    def test_ssh_with_another_key_is_refused(self, mail_host) -> None:
        stranger = ed25519.Ed25519PrivateKey.generate().private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.OpenSSH,
            serialization.NoEncryption(),
        )

        with pytest.raises(Fault) as caught:
            mail_host.configure(
                secrets=replace(mail_host.secrets, ssh_private_key=stranger.decode())
            )

        assert_shows(caught.value, faults.SSH_REFUSED, reason=...)

    def test_host_with_another_host_key_is_not_changed(self, mail_host) -> None:
        name, kind, _ = mail_host.known_host.split()
        other = "AAAAC3NzaC1lZDI1NTE5AAAAIEqlC36kDk06P6KZobNCucUzJFgwHfyVvsUiGlKJmFtW"

        with pytest.raises(Fault) as caught:
            mail_host.configure(known_host=f"{name} {kind} {other}")

        assert_shows(caught.value, faults.HOST_KEY_CHANGED)
        assert not caught.value.retryable

    def test_host_with_another_system_is_not_changed(self, mail_host) -> None:
        other = "NAME=Debian\\nID=debian\\nVERSION_ID=12\\nPRETTY_NAME=Debian-12\\n"
        mail_host.shell(f"rm /etc/os-release; printf '{other}' > /etc/os-release; rm /etc/timezone")
        try:
            with pytest.raises(Fault) as caught:
                mail_host.configure()
        finally:
            mail_host.shell("ln -sf ../usr/lib/os-release /etc/os-release")

        assert_shows(caught.value, faults.OTHER_SYSTEM, reason=...)
        assert "another system than Debian 13: Debian-12" in str(caught.value)
        assert mail_host.shell("ls /etc/timezone") == ""
        assert mail_host.configure() == 1

    def test_instance_that_is_stopped_is_started_again(self, mail_host) -> None:
        mail_host.shell(f"systemctl stop '{UNIT}'")

        assert mail_host.configure() == 1
        wait_for_port(mail_host.observed.addresses[2].ip, 587)

    def test_address_that_drains_keeps_its_instance_until_its_mail_has_left(
        self, mail_host, request
    ) -> None:
        login = Login(mail_host.known_host, mail_host.secrets.ssh_private_key)

        def waiting() -> Spooled:
            paths = ["b.play.example", "b.play.exam", "b.other.example"]
            return HostSpools().look(mail_host.observed, login, ["mx1-2", "mx1-3", "mx1-4"], paths)

        def expected(*queue_ids: str) -> Spooled:
            mails = set(queue_ids)
            return Spooled(
                {"mx1-2": set(), "mx1-3": mails, "mx1-4": set()},
                {"b.play.example": mails, "b.play.exam": set(), "b.other.example": set()},
                of_people=set(),
            )

        with mail_host.login("mx1-3") as client:
            recipient = f"bob@[{mail_host.lab.sender_address}]"  # where nothing listens yet
            assert code_of(client, RETURN_PATH, recipient) == 250
            _, answer = client.data(MESSAGE.format(subject="deferred"))
        queue_id = answer.split()[-1].decode()
        wait_for(lambda: queue_id in mail_host.shell(f"ls -R {SPOOL}/deferred"), longest_pause=1)
        mail_host.configure(blueprint=shrunk(mail_host.blueprint, "mx1-3"))
        assert waiting() == expected(queue_id)
        sink = request.getfixturevalue("sink")
        mail_host.shell("postqueue -c /etc/postfix-egress-mx1-3 -f")
        assert sink.wait_for(lambda d: "deferred" in d.text).helo == "mx1-3.play.example"
        wait_for(lambda: waiting() == expected())
        mail_host.configure()  # wanted again, for the other tests

    def test_address_that_is_removed_removes_its_instance_and_is_configured_once_again(
        self, mail_host
    ) -> None:
        _, two, three = mail_host.observed.addresses

        def configure(host: ObservedHost) -> int:
            changed: int = mail_host.configure(observed=host)
            shown = mail_host.shell("ls /etc; ls /etc/systemd/system/multi-user.target.wants")
            exists = host.addresses[-1].ip is not None
            assert (SPOOL.rpartition("/")[2] in shown, UNIT in shown) == (exists, exists)
            wait_for_port(two.ip, 587)
            return changed

        check_what_differs_is_changed_once(configure, mail_host.observed)
        wait_for_port(three.ip, 587)

    def test_host_switched_off_and_on_listens_again(self, mail_host, customer) -> None:
        customer.call("shutdown", serviceid=mail_host.observed.service_id)
        customer.call("boot", serviceid=mail_host.observed.service_id)

        wait_for_port(mail_host.observed.primary_ip, 25)
        for address in mail_host.observed.addresses[1:]:
            wait_for_port(address.ip, 587)
        assert mail_host.configure() == 0
