"""A rendered tenant with one host, and the observed state of that host."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jinja2
import pytest
import yaml

from blueprint.document import (
    Address,
    Blueprint,
    Cost,
    Domain,
    Firewall,
    Host,
    PublicKeys,
    Role,
    Sending,
)
from blueprint.render import INBOUND, OUTBOUND
from blueprint.tenant import DmarcPolicy, Dns, DomainSpec, HostSpec, Plan, Size, TenantSpec, Warmup
from controlplane.ansible.host_variables import host_variables, secret_variables
from controlplane.reconciler.ports import (
    HostSecrets,
    MailServer,
    ObservedAddress,
    ObservedHost,
    SubmissionUser,
)
from tests.support.installation import INSTALLATION

PLAYBOOKS = Path(__file__).parents[3] / "playbooks"


def _address(index: int, count: int) -> Address:
    return Address(
        name=f"mx1-{index}",
        index=index,
        role=Role.PRIMARY if index == 1 else Role.EGRESS,
        helo="mx1.acme.example" if index == 1 else f"out{index}.mx1.acme.example",
        sends_bulk=index > 1 or count == 1,
    )


def _blueprint(count: int) -> Blueprint:
    host = Host(
        name="mx1",
        stack="acme",
        server_name="acme-mx1-1",
        incarnation=1,
        size=Size.BUSINESS,
        cpu=2,
        ram_mb=4096,
        disk_gb=50,
        location="Seattle",
        image="Debian 13",
        firewall=Firewall(profile="penguin-mail", inbound=INBOUND, outbound=OUTBOUND),
        zone="acme.example",
        egress_name="out.mx1.acme.example",
        addresses=tuple(_address(index, count) for index in range(1, count + 1)),
    )
    return Blueprint(
        tenant="acme",
        generation=1,
        spec=TenantSpec(
            plan=Plan.BUSINESS,
            region="us-west",
            hosts=(HostSpec(name="mx1", addresses=count),),
            domains=(DomainSpec(name="acme.example"), DomainSpec(name="other.example")),
        ),
        installation=INSTALLATION,
        platform_zone="penguinmails.example",
        keys=PublicKeys(ssh="ssh-ed25519 AAAA acme\n", dkim={}),
        hosts=(host,),
        domains=tuple(
            Domain(
                name=name,
                dns=Dns.CLOUDFLARE,
                dmarc=DmarcPolicy.NONE,
                return_path=f"b.{name}",
                mail_host=mail_host,
                selector=None,
            )
            for name, mail_host in (
                ("acme.example", "mx1.acme.example"),
                ("other.example", "mx2.acme.example"),
            )
        ),
        records=(),
        mailboxes=(),
        sending=Sending(warmup=Warmup.STANDARD),
        cost=Cost(items=(), usd_cents=0),
        digest="sha256:one",
    )


@pytest.fixture
def playbooks() -> Path:
    return PLAYBOOKS


@pytest.fixture
def make_blueprint() -> Callable[[int], Blueprint]:
    return _blueprint


@pytest.fixture
def blueprint() -> Blueprint:
    return _blueprint(3)


@pytest.fixture
def observe() -> Callable[..., ObservedHost]:
    """Give an observed host for a blueprint; `waiting` names addresses without an IP."""

    def make(blueprint: Blueprint, *, waiting: tuple[str, ...] = ()) -> ObservedHost:
        host = blueprint.hosts[0]
        return ObservedHost(
            name=host.name,
            server_name=host.server_name,
            service_id=7,
            addresses=tuple(
                ObservedAddress(
                    name=address.name,
                    ip=None if address.name in waiting else f"198.18.1.{9 + address.index}",
                    helo=address.helo,
                )
                for address in host.addresses
            ),
        )

    return make


@pytest.fixture
def make_secrets() -> Callable[[Blueprint], HostSecrets]:
    def make(blueprint: Blueprint) -> HostSecrets:
        addresses = blueprint.hosts[0].addresses
        bulk = [address.name for address in addresses if address.sends_bulk]
        senders = ("b.acme.example", "b.other.example")
        return HostSecrets(
            ssh_private_key="PRIVATE-SSH",
            tls_certificates={
                address.helo: (f"CERTIFICATE-{address.name}", f"PRIVATE-{address.name}")
                for address in addresses
            },
            users=tuple(SubmissionUser(name, f"{name}.acme", senders) for name in bulk),
            password_hashes={f"{name}.acme": f"$6$salt${name}" for name in bulk},
        )

    return make


@pytest.fixture
def render(
    playbooks: Path,
    observe: Callable[..., ObservedHost],
    make_secrets: Callable[[Blueprint], HostSecrets],
) -> Callable[..., str]:
    """Render one template of a role for a blueprint, with the defaults of all roles."""

    def make(
        blueprint: Blueprint,
        role: str,
        name: str,
        *,
        mailu: MailServer | None = None,
        **extra: Any,
    ) -> str:
        secrets = make_secrets(blueprint)
        host = host_variables(blueprint, observe(blueprint), secrets.users, mailu=mailu)
        environment = jinja2.Environment(  # noqa: S701 - configuration files, not HTML
            loader=jinja2.FileSystemLoader(
                [playbooks / "roles" / role / "templates", playbooks / "templates"]
            ),
            trim_blocks=True,
            lstrip_blocks=True,
            undefined=jinja2.StrictUndefined,
        )
        environment.filters["regex_escape"] = re.escape
        environment.filters["to_json"] = json.dumps
        variables: dict[str, Any] = {}
        for file in sorted(playbooks.glob("roles/*/defaults/main.yml")):
            variables |= yaml.safe_load(file.read_text())
        variables |= {"host": host, "inbound_owner": {"stdout_lines": ["999", "999"]}}
        variables |= secret_variables(secrets)
        variables |= {"item": host["instances"][0]} | extra
        return environment.get_template(name).render(variables)

    return make
