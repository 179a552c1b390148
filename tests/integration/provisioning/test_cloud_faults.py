"""Faults of the cloud as users see them in conditions, logs and commands; no second purchase."""

from __future__ import annotations

import json
import socket
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

import psycopg
import pytest

from blueprint import faults as document
from blueprint.naming import server_name
from cli import faults as cli
from controlplane.faults import DOMAIN_TAKEN
from controlplane.pulumi import faults
from hostwinds import faults as provider
from hostwinds.journal.postgres import ensure_schema
from kit.faults import Code
from stacks import faults as program
from tests.support.faults import any_values, assert_shows
from tests.support.installation import INSTALLATION, PLATFORM

from .conftest import Cloud
from .control_plane import FILE, CommandLine, ControlPlane

pytestmark = pytest.mark.engine

UNREACHABLE_URL = "http://127.0.0.1:9/"

Repair = Callable[[], object]
Cause = Callable[[ControlPlane, Cloud], Repair]


def with_setting(name: str, value: str | None) -> Cause:
    """Set a variable of the engine to a wrong value, or remove it."""

    def cause(control_plane: ControlPlane, cloud: Cloud) -> Repair:
        original = control_plane.environment.pop(name)
        if value is not None:
            control_plane.environment[name] = value
        return lambda: control_plane.environment.update({name: original})

    return cause


def with_platform(**settings: object) -> Cause:
    """Set settings of the platform to wrong values."""

    def cause(control_plane: ControlPlane, cloud: Cloud) -> Repair:
        control_plane.platform = PLATFORM.model_copy(update=settings)
        return lambda: setattr(control_plane, "platform", PLATFORM)

    return cause


def without_zone(control_plane: ControlPlane, cloud: Cloud) -> Repair:
    [zone] = [zone for zone in cloud.cloudflare.zones() if zone["name"] == "acme.example"]
    cloud.cloudflare.delete_zone(zone["id"])
    return lambda: cloud.cloudflare.register("acme.example")


def with_foreign_record(control_plane: ControlPlane, cloud: Cloud) -> Repair:
    [zone] = [zone for zone in cloud.cloudflare.zones() if zone["name"] == "acme.example"]
    foreign = {"name": "acme.example", "type": "TXT", "content": "v=spf1 -all", "ttl": 300}
    record = cloud.cloudflare.create(zone["id"], foreign)
    return lambda: cloud.cloudflare.delete(zone["id"], record["id"])


def with_email_routing(control_plane: ControlPlane, cloud: Cloud) -> Repair:
    """Enable Email Routing, as the zone's owner does at Cloudflare."""
    [zone] = [zone for zone in cloud.cloudflare.zones() if zone["name"] == "acme.example"]
    cloud.cloudflare.route_email(zone["id"], enabled=True)
    return lambda: cloud.cloudflare.route_email(zone["id"], enabled=False)


def with_rate_limit(control_plane: ControlPlane, cloud: Cloud) -> Repair:
    cloud.cloudflare.faults.inject("rate_limited", times=-1)
    return cloud.cloudflare.faults.clear


def with_lock(control_plane: ControlPlane, cloud: Cloud) -> Repair:
    """Lock the stack as an operator's `pulumi up` on another machine does."""
    state = Path(urlsplit(control_plane.environment["PULUMI_BACKEND_URL"]).path)
    lock = state / ".pulumi/locks/organization/penguin/acme/1.json"
    lock.parent.mkdir(parents=True, exist_ok=True)
    holder = {"pid": 4711, "username": "carla", "hostname": f"not-{socket.gethostname()}"}
    lock.write_text(json.dumps({**holder, "timestamp": "2026-11-27T10:00:00Z"}))
    return lock.unlink


def without_firewall_profile(control_plane: ControlPlane, cloud: Cloud) -> Repair:
    name = PLATFORM.firewall_profile
    cloud.hostwinds.remove_profile(name)
    return lambda: cloud.hostwinds.make_profile(name, [22, 25, 587])


def with_firewall_profile_for_web(control_plane: ControlPlane, cloud: Cloud) -> Repair:
    name = PLATFORM.firewall_profile
    cloud.hostwinds.make_profile(name, [22, 80, 443])
    return lambda: cloud.hostwinds.make_profile(name, [22, 25, 587])


def with_host_that_never_boots(control_plane: ControlPlane, cloud: Cloud) -> Repair:
    cloud.hostwinds.faults.inject("never_boots")
    control_plane.environment["HOSTWINDS_PROVISIONING_DEADLINE"] = "1"
    return cloud.hostwinds.faults.clear


def with_unresolved_intent(control_plane: ControlPlane, cloud: Cloud) -> Repair:
    """Write the intent of a purchase whose answer was lost long ago."""
    with psycopg.connect(control_plane.dsn) as journal:
        ensure_schema(journal)
        journal.execute(
            "insert into purchase.intents (key, opened_at) values (%s, '2020-01-01')",
            [server_name(INSTALLATION, "acme", "mx1", 1)],
        )
    return lambda: None


@dataclass(frozen=True)
class Case:
    """What causes a fault, and how it is shown."""

    cause: Cause
    code: Code
    values: dict[str, object] = field(default_factory=dict)
    where: str = ""
    """The resource that the message names."""
    permanent: bool = True
    """The reconciler does not retry before the tenant is applied again."""
    bought: tuple[str, ...] = ()
    """What has been bought when the fault is shown."""


REPAIRED = {
    "wrong Hostwinds key": Case(
        with_setting("HOSTWINDS_API_KEY", "wrong"),
        provider.UNAUTHORIZED,
        where="stack/acme",
        permanent=False,
    ),
    "no Hostwinds key": Case(
        with_setting("HOSTWINDS_API_KEY", None),
        provider.UNAUTHORIZED,
        {"reason": "HOSTWINDS_API_KEY is not set"},
        where="stack/acme",
        permanent=False,
    ),
    "wrong Cloudflare token": Case(
        with_setting("CLOUDFLARE_API_TOKEN", "lab-token-of-forty-characters-9876543210"),
        program.CLOUDFLARE_UNAUTHORIZED,
        any_values(program.CLOUDFLARE_UNAUTHORIZED),
        permanent=False,
    ),
    "no Cloudflare token": Case(
        with_setting("CLOUDFLARE_API_TOKEN", None),
        program.CLOUDFLARE_UNAUTHORIZED,
        any_values(program.CLOUDFLARE_UNAUTHORIZED),
        permanent=False,
    ),
    "Hostwinds does not answer": Case(
        with_setting("HOSTWINDS_API_URL", UNREACHABLE_URL),
        provider.UNREACHABLE,
        any_values(provider.UNREACHABLE),
        where="stack/acme",
        permanent=False,
    ),
    "Cloudflare does not answer": Case(
        with_setting("CLOUDFLARE_BASE_URL", UNREACHABLE_URL),
        program.CLOUDFLARE_UNREACHABLE,
        {"url": UNREACHABLE_URL.rstrip("/"), "reason": ...},
        permanent=False,
    ),
    "zone does not exist": Case(
        without_zone, program.ZONE_NOT_FOUND, {"zone": "acme.example"}, permanent=False
    ),
    "foreign record": Case(
        with_foreign_record,
        program.FOREIGN_RECORD,
        {"remedy": ...},
        permanent=False,
    ),
    "Email Routing": Case(
        with_email_routing,
        program.EMAIL_ROUTING,
        any_values(program.EMAIL_ROUTING),
        permanent=False,
    ),
    "no firewall profile": Case(
        without_firewall_profile,
        provider.FIREWALL_PROFILE_MISSING,
        where="stack/acme/mx1",
        permanent=False,
    ),
    "firewall profile of the provider": Case(
        with_platform(firewall_profile="default"),
        provider.FIREWALL_PROFILE_LACKS,
        {"profile": "default", "lacks": "25/tcp in, 587/tcp in"},
        where="stack/acme/mx1",
        permanent=False,
        bought=("server",),
    ),
    "firewall profile that lets no mail in": Case(
        with_firewall_profile_for_web,
        provider.FIREWALL_PROFILE_LACKS,
        {"profile": "48213-penguin-mail", "lacks": "25/tcp in, 587/tcp in"},
        where="stack/acme/mx1",
        permanent=False,
        bought=("server",),
    ),
}
SHOWN = {
    "no engine": Case(
        with_setting("PATH", "/nowhere"),
        faults.ENGINE_INCOMPLETE,
        any_values(faults.ENGINE_INCOMPLETE),
    ),
    "state does not answer": Case(
        with_setting("PULUMI_BACKEND_URL", "postgres://127.0.0.1:9/none"),
        program.STATE_UNREACHABLE,
        {"reason": ...},
    ),
    "state is locked": Case(
        with_lock, faults.LOCKED, {"holder": ..., "stack": "acme"}, where="stack/acme"
    ),
    "journal does not answer": Case(
        with_setting("HOSTWINDS_JOURNAL", "postgres://127.0.0.1:9/none"),
        provider.JOURNAL_UNAVAILABLE,
        {"reason": ...},
    ),
    "Cloudflare limits requests": Case(with_rate_limit, program.CLOUDFLARE_RATE_LIMITED),
    "image is not on offer": Case(
        with_platform(image="Minix"),
        provider.NOT_ON_OFFER,
        {"what": "image", "name": "Minix", "offered": ...},
        where="stack/acme/mx1",
    ),
    "host never boots": Case(
        with_host_that_never_boots,
        provider.NOT_ACTIVE,
        any_values(provider.NOT_ACTIVE),
        where="stack/acme/mx1",
        bought=("server",),
    ),
    "purchase without an outcome": Case(
        with_unresolved_intent,
        provider.PURCHASE_AMBIGUOUS,
        {"name": ..., "opened": "2020-01-01 00:00:00"},
        where="stack/acme/mx1",
    ),
}


def assert_condition(penguin: CommandLine, case: Case) -> None:
    condition = penguin.condition("InfrastructureReady")
    assert case.where in condition["message"]
    assert_shows(condition, case.code, **case.values)


@pytest.mark.parametrize("case", REPAIRED.values(), ids=REPAIRED.keys())
def test_fault_is_shown_and_its_repair_needs_no_second_purchase(
    control_plane: ControlPlane, cloud: Cloud, penguin: CommandLine, case: Case
) -> None:
    repair = case.cause(control_plane, cloud)
    penguin.apply(FILE)

    control_plane.reconcile()

    assert cloud.bought() == list(case.bought)
    assert_condition(penguin, case)
    assert_shows(penguin("logs", "acme").out, case.code, **case.values)
    assert {entry["code"] for entry in control_plane.log if "code" in entry} == {case.code.name}
    if case.permanent:
        waited = penguin("wait", "tenant", "acme", "--for=condition=Ready")
        assert waited.status == 1
        assert_shows(waited.err, cli.WAIT_STALLED, wanted="Ready", reason=..., name="acme")
        assert case.code.reason in waited.err

    repair()
    if case.permanent:
        penguin.apply(FILE)
    control_plane.reconcile()

    waited = penguin("wait", "tenant", "acme", "--for=condition=DnsReady", "--timeout=0s")
    assert waited.status == 0, waited.err + penguin("describe", "tenant", "acme").out
    assert cloud.bought() == ["server"]
    control_plane.reconcile()
    assert cloud.bought() == ["server"]


@pytest.mark.parametrize("case", SHOWN.values(), ids=SHOWN.keys())
def test_fault_is_shown_in_the_condition(
    control_plane: ControlPlane, cloud: Cloud, penguin: CommandLine, case: Case
) -> None:
    case.cause(control_plane, cloud)
    penguin.apply(FILE)
    control_plane.reconcile()
    assert cloud.bought() == list(case.bought)
    assert_condition(penguin, case)


def test_passphrase_that_does_not_open_the_state_is_shown(
    control_plane: ControlPlane, penguin: CommandLine, tmp_path: Path
) -> None:
    penguin.apply(FILE)
    control_plane.reconcile()
    other = tmp_path / "other"
    other.write_text("another passphrase")
    control_plane.environment["PULUMI_CONFIG_PASSPHRASE_FILE"] = str(other)
    penguin.apply(FILE.replace("addresses: 1", "addresses: 2"))
    control_plane.reconcile()
    assert_shows(penguin.last_operation(), faults.PASSPHRASE, reason=...)


def test_host_that_could_not_be_ended_is_ended_when_the_provider_answers_again(
    control_plane: ControlPlane, cloud: Cloud, penguin: CommandLine
) -> None:
    penguin.apply(
        FILE.replace("hosts: [", "hosts: [{name: mx2, size: business, zone: acme.example}, ")
    )
    control_plane.reconcile()
    assert cloud.bought() == ["server", "server"]
    repair = with_setting("HOSTWINDS_API_URL", UNREACHABLE_URL)(control_plane, cloud)
    penguin.apply(FILE)
    control_plane.reconcile()
    logged = penguin("logs", "acme").out
    assert_shows(logged, provider.UNREACHABLE, **any_values(provider.UNREACHABLE))

    repair()
    control_plane.reconcile()

    assert len(list(cloud.hostwinds.all_servers())) == 1
    assert cloud.bought() == ["server", "server"]


def test_order_whose_answer_was_lost_is_not_repeated(
    control_plane: ControlPlane, cloud: Cloud, penguin: CommandLine
) -> None:
    cloud.hostwinds.faults.inject("lost_answer")
    penguin.apply(FILE)
    control_plane.reconcile()
    waited = penguin("wait", "tenant", "acme", "--for=condition=DnsReady", "--timeout=0s")
    assert waited.status == 0, waited.err
    assert cloud.bought() == ["server"]
    assert "the outcome of add_instance is not known" in penguin("logs", "acme").out
    control_plane.reconcile()
    assert cloud.bought() == ["server"]


@dataclass(frozen=True)
class Mistake:
    """A mistake in the file, and how it is shown."""

    right: str
    wrong: str
    code: Code
    values: dict[str, object]
    location: str


MISTAKES = {
    "unknown key": Mistake("plan:", "plam:", document.UNKNOWN_KEY, {}, ":6:3 spec.plam"),
    "wrong type": Mistake(
        "addresses: 1",
        "addresses: many",
        document.INVALID_VALUE,
        {"key": "addresses", "value": "many", "remedy": ...},
        ":8:",
    ),
    "plan limit": Mistake(
        "plan: business\n  region: us-west\n  hosts: [{name: mx1, size: business,",
        "plan: starter\n  region: us-west\n  hosts: [{name: mx1,",
        document.PLAN_LIMIT,
        {"plan": "starter", "allowed": 5, "count": 7},
        ":9:3 spec.domains",
    ),
}


@pytest.mark.parametrize("mistake", MISTAKES.values(), ids=MISTAKES.keys())
def test_mistake_in_the_file_is_shown_with_its_line_and_buys_nothing(
    control_plane: ControlPlane, cloud: Cloud, penguin: CommandLine, mistake: Mistake
) -> None:
    six = ", ".join(f"{{name: d{n}.example}}" for n in range(6))
    text = FILE.replace("dns: cloudflare}", f"dns: cloudflare}}, {six}")
    control_plane.file.write_text(text.replace(mistake.right, mistake.wrong))
    refused = penguin("apply", "-f", str(control_plane.file))
    assert refused.status == 1
    assert_shows(refused.err, mistake.code, **mistake.values)
    assert f"at: {control_plane.file}{mistake.location}" in refused.err
    control_plane.reconcile()
    assert cloud.bought() == []


def test_domain_of_another_tenant_is_refused_and_buys_nothing(
    control_plane: ControlPlane, cloud: Cloud, penguin: CommandLine
) -> None:
    penguin.apply(FILE)
    control_plane.reconcile()
    for name in ("acme.example", "go.acme.example"):
        thief = FILE.replace("name: acme}", "name: thief}").replace("zone: acme.example", "zone: ~")
        control_plane.file.write_text(thief.replace("name: acme.example,", f"name: {name},"))
        refused = penguin("apply", "-f", str(control_plane.file))
        assert refused.status == 1
        assert_shows(refused.err, DOMAIN_TAKEN, domain=name)
        assert f"at: {control_plane.file}" in refused.err
    assert DOMAIN_TAKEN.name in [e["code"] for e in control_plane.log if e["event"] == "refused"]
    control_plane.reconcile()
    assert cloud.bought() == ["server"]


def test_tenant_in_two_files_is_refused_and_buys_nothing(
    control_plane: ControlPlane, cloud: Cloud, penguin: CommandLine
) -> None:
    copy = control_plane.file.with_name("copy.yaml")
    for file in (control_plane.file, copy):
        file.write_text(FILE)
    refused = penguin("apply", "-f", str(control_plane.file), "-f", str(copy))
    assert refused.status == 1
    assert_shows(refused.err, cli.REPEATED, name="acme", first=control_plane.file)
    assert f"at: {copy}" in refused.err
    control_plane.reconcile()
    assert cloud.bought() == []


def test_api_that_does_not_answer_is_shown_with_its_address(
    penguin: CommandLine, control_plane: ControlPlane, cloud: Cloud, monkeypatch: pytest.MonkeyPatch
) -> None:
    control_plane.file.write_text(FILE)
    monkeypatch.setenv("PENGUIN_API_URL", UNREACHABLE_URL)
    refused = penguin("apply", "-f", str(control_plane.file))
    assert refused.status == 1
    assert_shows(refused.err, cli.UNREACHABLE, reason=...)
    assert "at: http://127.0.0.1:9" in refused.err
    control_plane.reconcile()
    assert cloud.bought() == []
