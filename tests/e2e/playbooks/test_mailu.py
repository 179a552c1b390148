"""A real host with Mailu in containers: what its role starts, restarts, refuses and puts back.

The images are the stand-ins of the lab: their daemons are real, their configurations our own.
"""

from __future__ import annotations

import imaplib
import json
import secrets
import select
import smtplib
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from controlplane.ansible import faults
from controlplane.ansible.holding import HOLD, RELEASE
from controlplane.authority.credentials import create_credential
from controlplane.reconciler.ports import MailServer, MailServerSecrets, SubmissionUser
from controlplane.verification.exposure import PortScan
from kit.paths import cache_dir
from lab.registry import order
from lab.running import RunningLab
from tests.support.faults import fault_shown
from tests.support.lab_zones import Zone
from tests.support.mailu_tenants import box, mail_of
from tests.support.provider import Customer
from tests.support.waiting import SECONDS, wait_for

from .conftest import contacted, cut_once, playbooks_of
from .mailu_host import API, ATTACHED, PORTS, MailuHost, make_key, pinned
from .test_docker import MAKE_VERSIONS, VERSIONS

pytestmark = [pytest.mark.hosts, pytest.mark.in_order, pytest.mark.timeout(1800)]

ALL = {"front", "admin", "imap", "smtp", "antispam", "resolver", "redis"}
GATEWAY = "192.168.203.1"
AWAY = """
nft add table ip away; nft add chain ip away out '{ type filter hook output priority 0; }'
nft add rule ip away out tcp dport 443 reject
"""
"""Lets the host reach no registry."""
SHUT = """
table ip shut {
  chain out { type filter hook output priority 0; tcp dport 25 reject; }
}
"""
RELAY = """
import os, pwd, smtplib, sys

def ask(source):
    try:
        with smtplib.SMTP(server, 25, timeout=60, source_address=(source, 0)) as client:
            client.ehlo("far.test")
            client.mail("")
            return client.rcpt("alice@rcpt.example")[0]
    except ConnectionRefusedError:
        return "refused"

user, server, *sources = sys.argv[1:]
if user != "root":
    os.setgroups([])
    os.setuid(pwd.getpwnam(user).pw_uid)
print(*map(ask, sources), ask(""))
"""
"""As a user, tries to relay by port 25, from these addresses and from none in particular."""


@pytest.fixture(scope="module")
def complete(lab: RunningLab, lab_directory: Path, customer: Customer) -> Iterator[MailuHost]:
    """A host that was configured after a power failure while its containers were started."""
    order.provide(lab_directory, cache_dir(), print)
    server = customer.order(f"mailu-{secrets.token_hex(3)}")
    profiles = customer.portal("profiles", name="mailu", ports=list(PORTS))
    [whole] = [profile["name"] for profile in profiles if profile["name"].endswith("mailu")]
    customer.call("set_instance_firewall", serviceid=server.service_id, name=whole)
    host = contacted(lab, customer, server)
    with closing(Zone(lab)) as zone:
        for name in (zone.name, f"b.{zone.name}"):  # Mailu asks for them before it takes mail
            zone.add(name, "A", host.observed.primary_ip or "")
        keys = {zone.name: make_key()}
        own = MailServerSecrets(secrets.token_hex(32), secrets.token_hex(8), keys)
        other = create_credential("mx1-2", "other")
        users = tuple(
            replace(user, senders=(*user.senders, f"b.{zone.name}")) for user in host.secrets.users
        )
        of_other = SubmissionUser("mx1-2", other.username, ("b.other.example",))
        hashes = {**host.secrets.password_hashes, other.username: other.password_hash}
        with_other = replace(
            host.secrets, mail_server=own, users=(*users, of_other), password_hashes=hashes
        )
        credentials = {**host.credentials, "other": other}
        host = replace(host, secrets=with_other, credentials=credentials)
        mailu = MailuHost(host, MailServer(zone.name, pinned(lab, "2024.06.56")), zone)
        task = "Start the containers of Mailu"
        cut_once(host, lambda host: replace(mailu, host=host).configure(), customer, task)
        # Their roles have not run: neither may have started with the host.
        shown = host.shell("systemctl is-enabled postfix dovecot")
        assert shown.split() == ["masked", "masked"]
        mailu.configure()
        yield mailu
        customer.terminate(server)


@pytest.fixture(scope="module")
def mailu(complete: MailuHost, tmp_path_factory: pytest.TempPathFactory) -> MailuHost:
    """The host, configured by all roles; further runs have those that these tests are about."""
    roles = ("base", "docker", "mailu")  # the first two have variables of the third
    alone = playbooks_of(tmp_path_factory.mktemp("playbooks"), *roles)
    return replace(complete, host=replace(complete.host, playbooks=alone))


def test_host_without_pinned_images_is_not_changed(mailu: MailuHost) -> None:
    before = mailu.host.shell("find /etc /mailu/compose.yml -newer /mailu/compose.yml")
    with fault_shown(faults.IMAGES_NOT_PINNED, reason="no image is pinned for front"):
        mailu.configure(
            replace(mailu.server, images={**mailu.server.images, "front": "ghcr.io/mailu/nginx:1"})
        )
    assert mailu.host.shell("find /etc /mailu/compose.yml -newer /mailu/compose.yml") == before


def test_configuration_after_a_power_failure_is_complete_and_changes_nothing_more(
    complete: MailuHost,
) -> None:
    before = complete.containers()
    assert set(before) == ALL
    assert complete.configure() == 0
    assert complete.containers() == before


def test_secrets_are_in_no_argument_environment_or_line(mailu: MailuHost) -> None:
    own = mailu.host.secrets.mail_server
    assert own is not None
    shown = mailu.host.shell(
        "ps axww -o args; docker inspect $(docker ps -q); cat /mailu/mailu.env /mailu/compose.yml"
    ) + "".join(mailu.host.lines)
    assert own.api_token not in shown
    assert own.secret_key not in shown
    read = "setpriv --reuid nobody --clear-groups cat /mailu/secrets/api_token /mailu/mailu.env"
    assert mailu.host.shell(read) == ""


def test_change_concerns_the_containers_that_read_it(mailu: MailuHost) -> None:
    before = mailu.containers()
    changed = replace(mailu.server, messages_a_day=20)
    mailu.configure(changed)
    after = mailu.containers()
    assert mailu.environment("smtp")["MESSAGE_RATELIMIT"] == "20/day"
    assert {name for name in ALL if after[name][0] == before[name][0]} == {"redis"}

    mailu.configure(changed, mailu_delay_warning_time="5h")
    restarted = mailu.containers()
    assert [name for name in ALL if restarted[name] != after[name]] == ["smtp"]
    assert restarted["smtp"][0] == after["smtp"][0]


@pytest.mark.parametrize("trouble", ["true", AWAY], ids=["without the image", "away"])
def test_registry_in_trouble_leaves_what_runs(mailu: MailuHost, trouble: str) -> None:
    before = mailu.containers()
    image = f"ghcr.io/mailu/nginx@sha256:{'0' * 64}"
    mailu.host.shell(trouble)
    with fault_shown(faults.IMAGES_UNAVAILABLE, reason=...):
        mailu.configure(replace(mailu.server, images={**mailu.server.images, "front": image}))
    mailu.host.shell("nft delete table ip away")
    assert mailu.containers() == before


def test_bulk_leaves_while_mailu_is_down_and_the_next_run_starts_it(mailu: MailuHost) -> None:
    mailu.host.shell("cd /mailu && docker compose kill front smtp imap admin")
    with mailu.host.login("mx1-2") as client:
        assert client.mail(f"b+{'abc234' * 8}@{mailu.return_path}")[0] == 250
        assert client.rcpt("alice@rcpt.example")[0] == 250
        assert client.data("From: ann@play.example\r\nSubject: Hello\r\n\r\nHello.\r\n")[0] == 250
    assert mailu.log_of("alice@rcpt.example", "sent")
    assert set(mailu.containers()) == ALL - {"front", "smtp", "imap", "admin"}
    assert mailu.configure() > 0
    assert set(mailu.containers()) == ALL
    assert mailu.configure() == 0


def test_engine_is_changed_under_mailu_if_it_works(mailu: MailuHost) -> None:
    mailu.host.shell(f"mkdir /srv/repository\n{MAKE_VERSIONS}")
    source = mailu.with_other_versions
    with fault_shown(faults.ENGINE_REFUSED, reason=...):
        mailu.configure(source=source, docker_versions={**VERSIONS, "docker.io": "27.0"})
    assert set(mailu.containers()) == ALL
    raised = {**VERSIONS, "docker.io": "26.1.9"}
    mailu.configure(source=source, docker_versions=raised)
    assert mailu.host.shell("dpkg-query -W -f '${Version}' docker.io") == "26.1.9"
    assert set(mailu.containers()) == ALL
    assert mailu.configure(source=source, docker_versions=raised) == 0
    mailu.configure(source=source)
    assert set(mailu.containers()) == ALL


def test_engine_with_which_mailu_does_not_work_is_put_back(mailu: MailuHost) -> None:
    mailu.host.shell(f"echo '{SHUT}' > /srv/repository/rules.nft")
    other = {**VERSIONS, "docker.io": "26.1.8"}
    with fault_shown(faults.ENGINE_REFUSED, reason=...) as caught:
        mailu.configure(
            source=mailu.with_other_versions, docker_versions=other, mailu_attempts=2, mailu_pause=1
        )
    mailu.host.shell("rm /srv/repository/rules.nft; nft delete table ip shut")
    assert "Wait until Mailu judges mail" in str(caught.value)
    assert mailu.host.shell("dpkg-query -W -f '${Version}' docker.io") == "26.1.9"
    assert mailu.answer("alice@rcpt.example") == 454


def test_other_images_are_taken_if_they_work(mailu: MailuHost) -> None:
    newer = pinned(mailu.host.lab, "2024.06.57")
    silent = replace(mailu.server, images={**newer, "admin": newer["redis"]})
    # As many attempts as those that are put back need to start.
    with fault_shown(faults.MAILU_REFUSED, reason=...) as caught:
        mailu.configure(silent, mailu_attempts=20, mailu_pause=1)
    assert "Mailu's application does not answer" in str(caught.value)
    image = "docker inspect -f '{{.Config.Image}}' mailu-admin-1"
    assert mailu.host.shell(image).strip() == mailu.server.images["admin"]

    with_webmail = replace(mailu.server, images=newer, webmail=True)
    mailu.configure(with_webmail)
    assert mailu.host.shell(image).strip() == newer["admin"]
    assert set(mailu.containers()) == ALL | {"webmail"}
    wait_for(lambda: mailu.leads_to("/webmail/") == "/sso/login", longest_pause=1)
    assert mailu.configure(with_webmail) == 0
    assert len(mailu.host.shell("docker images -q --no-trunc").split()) == len(ALL) + 1


def test_mail_for_a_domain_that_is_not_made_yet_is_refused_for_now(mailu: MailuHost) -> None:
    someone = f"ann@{mailu.zone.name}"
    assert mailu.answer(someone) == 454
    mailu.host.shell(HOLD)
    assert mailu.answer(someone) == 450
    mailu.host.shell(RELEASE)
    assert mailu.answer(someone) == 454


def test_command_on_an_open_connection_waits_while_domains_are_made(mailu: MailuHost) -> None:
    with smtplib.SMTP(mailu.host.observed.primary_ip or "", 25, timeout=SECONDS) as client:
        client.ehlo("far.test")
        assert client.mail("")[0] == 250
        mailu.host.shell(HOLD)
        client.putcmd("RCPT", f"TO:<ann@{mailu.zone.name}>")
        assert client.sock is not None
        assert select.select([client.sock], [], [], 2) == ([], [], [])
        mailu.host.shell(RELEASE)
        assert client.getreply()[0] == 454


def test_key_is_read_by_mailu_alone(mailu: MailuHost) -> None:
    mailu.make("domain", {"name": mailu.zone.name})
    file = f"/mailu/dkim/{mailu.zone.name}.mu1.key"
    account = mailu.host.shell("docker exec mailu-admin-1 id -u mailu")
    assert mailu.host.shell(f"stat -c '%u %a' {file}") == f"{account.strip()} 600\n"
    vault = f"{API.removesuffix('/api/v1')}/internal/rspamd/vault/v1/dkim/{mailu.zone.name}"
    ask = f"import urllib.request; print(urllib.request.urlopen('{vault}').read().decode())"
    [shown] = json.loads(mailu.host.shell(f'python3 -c "{ask}"'))["data"]["selectors"]
    own = mailu.host.secrets.mail_server
    assert own is not None
    assert (shown["selector"], shown["key"].strip()) == ("mu1", own.dkim[mailu.zone.name].strip())


def test_returned_mail_is_not_judged_and_reaches_the_inbound_instance(mailu: MailuHost) -> None:
    person = {"email": f"ann@{mailu.zone.name}", "raw_password": secrets.token_hex(16)}
    mailu.make("user", person)
    mailu.make("relay", {"name": mailu.return_path, "smtp": "[10.255.0.1]:10026"})
    token = f"b+{'a' * 48}@{mailu.return_path}"
    bounces = "ls /var/mail/penguin/bounces/new 2>/dev/null | wc -l"
    before = int(mailu.host.shell(bounces))

    code, text = mailu.send(token)
    assert code == 250, text
    wait_for(lambda: int(mailu.host.shell(bounces)) == before + 1, longest_pause=1)

    code, text = mailu.send(token, person["email"])
    assert code // 100 == 5, text


def test_nothing_is_relayed_for_any_address_or_user_of_the_host(mailu: MailuHost) -> None:
    """Each would be trusted as the gateway of Mailu's bridge.

    Mail for a domain that is not known is refused by 454 only: it may be one that was lost.
    """
    primary, *others = (str(address.ip) for address in mailu.host.observed.addresses)
    sources = [primary, *others, "127.0.0.1", GATEWAY]
    for user, answer in (("root", "454"), ("postfix", "454"), ("nobody", "refused")):
        command = f"python3 - {user} {primary} {' '.join(sources)} <<'END'\n{RELAY}\nEND"
        assert mailu.host.shell(command).split() == [answer] * (len(sources) + 1), user
    assert mailu.answer("alice@rcpt.example") == 454


def test_bulk_to_a_mailbox_of_the_same_host_is_judged_as_foreign_mail(mailu: MailuHost) -> None:
    person = f"ann@{mailu.zone.name}"
    with mailu.host.login("mx1-2") as client:
        assert client.mail(f"b+{'abc234' * 8}@{mailu.return_path}")[0] == 250
        assert client.rcpt(person)[0] == 250
        assert client.data(ATTACHED.replace("\n", "\r\n"))[0] == 250
    assert " said: 554 " in mailu.log_of(person, "bounced")


def test_tenants_of_a_host_reach_nothing_of_each_other(mailu: MailuHost) -> None:
    lab, ip = mailu.host.lab, mailu.host.observed.primary_ip or ""
    with closing(Zone(lab)) as acme, closing(Zone(lab)) as bolt:
        for zone in (acme, bolt):
            zone.add(zone.name, "A", ip)
        ann, eve = f"ann@{acme.name}", f"eve@{bolt.name}"
        of_acme, of_bolt = (
            mail_of("acme", acme.name, box(ann)),
            mail_of("bolt", bolt.name, box(eve)),
        )
        mailu.reconcile(of_acme, of_bolt)
        anns, eves = mailu.token("acme", ann), mailu.token("bolt", eve)

        with mailu.submission(eve, eves) as client:
            assert client.mail(ann)[0] == 250
            assert client.rcpt(eve)[0] == 553
        with pytest.raises(imaplib.IMAP4.error):
            mailu.subjects(ann, eves)
        takes = replace(of_bolt, mailboxes=(box(eve, f"new@{acme.name}"), box(f"x@{acme.name}")))
        mailu.reconcile(of_acme, takes)
        assert [mailu.answer(f"{name}@{acme.name}") for name in ("new", "x", "ann")] == [
            550, 550, 250,
        ]  # fmt: skip
        with mailu.host.submission("mx1-2") as client:
            other = mailu.host.credentials["other"]
            client.login(other.username, other.password)
            assert client.mail(f"b+{'abc234' * 8}@{mailu.return_path}")[0] == 250
            assert client.rcpt(ann)[0] == 553

        with mailu.submission(ann, anns) as client:
            client.sendmail(ann, [eve], f"From: {ann}\r\nSubject: For Eve\r\n\r\nHello.\r\n")
        assert wait_for(lambda: mailu.subjects(eve, eves), longest_pause=1) == ["For Eve"]
        mailu.reconcile(of_acme, replace(of_bolt, mailboxes=()), confirmed=(eve,))
        assert mailu.host.shell(f"ls -d /mailu/mail/{eve}") == ""
        mailu.reconcile(of_acme, of_bolt)
        assert mailu.subjects(eve, mailu.token("bolt", eve)) == []


async def test_exactly_the_listed_ports_answer_from_outside(complete: MailuHost) -> None:
    [host] = complete.host.blueprint.hosts
    people = host.firewall.model_copy(update={"inbound": tuple(f"{port}/tcp" for port in PORTS)})
    host = host.model_copy(update={"firewall": people})
    scan = PortScan(complete.host.lab.sender_address)
    for address, observed in zip(host.addresses, complete.host.observed.addresses, strict=True):
        found = await scan.look(host, address, observed.ip or "", settled_for=timedelta.max)
        assert [(each.code, each.ok) for each in found] == [(None, True)], found


def test_inbound_instance_is_reached_by_containers_only(mailu: MailuHost) -> None:
    ask = "timeout 60 bash -c '</dev/tcp/10.255.0.1/10026' && echo open"
    inside = f"docker exec mailu-smtp-1 {ask}"
    assert mailu.host.shell(inside) == "open\n"
    listening = mailu.host.shell("ss -Hltn 'sport = :10026' | awk '{print $4}'")
    assert listening == "10.255.0.1:10026\n"
