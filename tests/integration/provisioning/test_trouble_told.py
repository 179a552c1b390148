"""Trouble in the cloud as a person meets it: file in, code, place and remedy out, one purchase."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import pytest

from .conftest import Cloud
from .plane import FILE, PLATFORM, Person, Plane

pytestmark = pytest.mark.engine

NOWHERE = "http://127.0.0.1:9/"

Mend = Callable[[], None]


def camel(code: str) -> str:
    """Return a code as a condition's reason."""
    return "".join(part.capitalize() for part in code.replace(".", "_").split("_"))


def with_setting(name: str, value: str | None) -> Callable[[Plane, Cloud], Mend]:
    """Start with a wrong variable, or without it; mending sets it right."""

    def cause(plane: Plane, cloud: Cloud) -> Mend:
        right = plane.environment.pop(name)
        if value is not None:
            plane.environment[name] = value
        return lambda: plane.environment.update({name: right})

    return cause


def without_zone(plane: Plane, cloud: Cloud) -> Mend:
    [zone] = [one for one in cloud.account.zones() if one["name"] == "acme.example"]
    cloud.account.delete_zone(zone["id"])
    return lambda: cloud.account.register("acme.example")


def with_foreign_record(plane: Plane, cloud: Cloud) -> Mend:
    [zone] = [one for one in cloud.account.zones() if one["name"] == "acme.example"]
    foreign = {"name": "acme.example", "type": "TXT", "content": "v=spf1 -all", "ttl": 300}
    record = cloud.account.create(zone["id"], foreign)
    return lambda: cloud.account.delete(zone["id"], record["id"])


def with_profile_without_ssh(plane: Plane, cloud: Cloud) -> Mend:
    plane.platform = PLATFORM.model_copy(update={"firewall_profile": "smtp"})
    return lambda: setattr(plane, "platform", PLATFORM)


@dataclass(frozen=True)
class Trouble:
    """What is wrong, and what a person shall read about it."""

    cause: Callable[[Plane, Cloud], Mend]
    code: str
    place: str
    remedy: str
    lasting: bool = True
    """Nothing is tried again before somebody applies."""
    bought: tuple[str, ...] = ()
    """What may have been paid for by then."""


TROUBLE = {
    "wrong Hostwinds key": Trouble(
        with_setting("HOSTWINDS_API_KEY", "wrong"),
        "hostwinds.unauthorized", "stack/acme", "HOSTWINDS_API_KEY",
    ),
    "no Hostwinds key": Trouble(
        with_setting("HOSTWINDS_API_KEY", None),
        "hostwinds.unauthorized", "stack/acme", "HOSTWINDS_API_KEY",
    ),
    "wrong Cloudflare token": Trouble(
        with_setting("CLOUDFLARE_API_TOKEN", "lab-token-of-forty-characters-9876543210"),
        "cloudflare.unauthorized", "acme.example", "CLOUDFLARE_API_TOKEN", lasting=False,
    ),
    "no Cloudflare token": Trouble(
        with_setting("CLOUDFLARE_API_TOKEN", None),
        "cloudflare.unauthorized", "acme.example", "CLOUDFLARE_API_TOKEN", lasting=False,
    ),
    "Hostwinds does not answer": Trouble(
        with_setting("HOSTWINDS_API_URL", NOWHERE),
        "hostwinds.unreachable", "stack/acme", "HOSTWINDS_API_URL", lasting=False,
    ),
    "Cloudflare does not answer": Trouble(
        with_setting("CLOUDFLARE_BASE_URL", NOWHERE),
        "cloudflare.unreachable", "acme.example", "CLOUDFLARE_BASE_URL", lasting=False,
    ),
    "zone does not exist": Trouble(
        without_zone, "dns.zone_not_found", "acme.example", "add the zone", lasting=False,
    ),
    "foreign record in the way": Trouble(
        with_foreign_record, "dns.foreign_record", "TXT acme.example", "delete", lasting=False,
    ),
    "firewall profile without SSH": Trouble(
        with_profile_without_ssh,
        "hostwinds.firewall_without_ssh", "stack/acme/mx1", "port 22", bought=("server",),
    ),
}  # fmt: skip


@pytest.mark.parametrize("trouble", TROUBLE.values(), ids=TROUBLE.keys())
def test_trouble_is_told_and_comes_right_with_one_purchase(
    plane: Plane, cloud: Cloud, penguin: Person, trouble: Trouble
) -> None:
    mend = trouble.cause(plane, cloud)
    plane.file.write_text(FILE)
    assert penguin("apply", "-f", str(plane.file)).status == 0

    plane.visit()

    assert cloud.bought() == list(trouble.bought)
    condition = penguin.condition("InfrastructureReady")
    for part in (camel(trouble.code), trouble.place, trouble.remedy):
        assert part in condition
    logged = penguin("logs", "acme").out
    for part in (trouble.code, trouble.place, trouble.remedy):
        assert part in logged
    assert {entry["code"] for entry in plane.log if "code" in entry} == {trouble.code}
    if trouble.lasting:
        waited = penguin("wait", "tenant", "acme", "--for=condition=Ready")
        assert waited.status == 1
        assert "error[wait.stalled]" in waited.err
        assert camel(trouble.code) in waited.err

    mend()
    if trouble.lasting:
        penguin("apply", "-f", str(plane.file))
    plane.visit()

    waited = penguin("wait", "tenant", "acme", "--for=condition=DnsReady", "--timeout=0s")
    assert waited.status == 0, waited.err + penguin("describe", "tenant", "acme").out
    assert cloud.bought() == ["server"]
    plane.visit()
    assert cloud.bought() == ["server"]


def test_a_host_that_could_not_be_ended_is_ended_when_its_provider_answers_again(
    plane: Plane, cloud: Cloud, penguin: Person
) -> None:
    two = FILE.replace("hosts: [", "hosts: [{name: mx2, size: business, zone: acme.example}, ")
    plane.file.write_text(two)
    penguin("apply", "-f", str(plane.file))
    plane.visit()
    assert cloud.bought() == ["server", "server"]
    mend = with_setting("HOSTWINDS_API_URL", NOWHERE)(plane, cloud)
    plane.file.write_text(FILE)
    penguin("apply", "-f", str(plane.file))
    plane.visit()
    assert "hostwinds.unreachable" in penguin("logs", "acme").out

    mend()
    plane.visit()

    assert len(list(cloud.world.all_servers())) == 1
    assert cloud.bought() == ["server", "server"]


def test_a_lost_answer_to_the_order_is_looked_for(
    plane: Plane, cloud: Cloud, penguin: Person
) -> None:
    cloud.world.faults.inject("lost_answer")
    plane.file.write_text(FILE)
    penguin("apply", "-f", str(plane.file))
    plane.visit()
    waited = penguin("wait", "tenant", "acme", "--for=condition=DnsReady", "--timeout=0s")
    assert waited.status == 0, waited.err
    assert cloud.bought() == ["server"]
    assert "answer" in penguin("logs", "acme").out
    plane.visit()
    assert cloud.bought() == ["server"]


@dataclass(frozen=True)
class Mistake:
    """A line of the file as somebody wrote it, and what is said about it."""

    right: str
    wrong: str
    code: str
    place: str
    remedy: str


MISTAKES = {
    "unknown key": Mistake("plan:", "plam:", "document.unknown_key", ":6:3 spec.plam", "mean plan"),
    "wrong type": Mistake(
        "addresses: 1", "addresses: many", "document.invalid_value", ":8:", "addresses"
    ),
    "plan limit passed": Mistake(
        "plan: business\n  region: us-west\n  hosts: [{name: mx1, size: business,",
        "plan: starter\n  region: us-west\n  hosts: [{name: mx1,",
        "tenant.plan_limit", " spec.domains", "plan",
    ),
}  # fmt: skip


@pytest.mark.parametrize("mistake", MISTAKES.values(), ids=MISTAKES.keys())
def test_a_mistake_in_the_file_is_told_with_its_line_and_buys_nothing(
    plane: Plane, cloud: Cloud, penguin: Person, mistake: Mistake
) -> None:
    six = ", ".join(f"{{name: d{n}.example}}" for n in range(6))
    text = FILE.replace("dns: cloudflare}", f"dns: cloudflare}}, {six}")
    plane.file.write_text(text.replace(mistake.right, mistake.wrong))
    refused = penguin("apply", "-f", str(plane.file))
    assert refused.status == 1
    assert f"error[{mistake.code}]" in refused.err
    assert f"at: {plane.file}{mistake.place}" in refused.err
    assert mistake.remedy in refused.err
    plane.visit()
    assert cloud.bought() == []


def test_what_belongs_to_another_tenant_is_refused_and_buys_nothing(
    plane: Plane, cloud: Cloud, penguin: Person
) -> None:
    plane.file.write_text(FILE)
    penguin("apply", "-f", str(plane.file))
    plane.visit()
    plane.file.write_text(FILE.replace("name: acme}", "name: thief}"))
    refused = penguin("apply", "-f", str(plane.file))
    assert refused.status == 1
    assert (
        f"error[domain.taken]: domain acme.example cannot be used\n  at: {plane.file}"
        in refused.err
    )
    assert "do: " in refused.err
    assert "domain.taken" in [e["code"] for e in plane.log if e["event"] == "refused"]
    copy = plane.file.with_name("copy.yaml")
    plane.file.write_text(FILE)
    copy.write_text(FILE)
    twice = penguin("apply", "-f", str(plane.file), "-f", str(copy))
    assert twice.status == 1
    assert "error[file.repeated]" in twice.err
    assert f"at: {copy}" in twice.err
    plane.visit()
    assert cloud.bought() == ["server"]


def test_an_api_that_does_not_answer_is_told_with_its_address(
    penguin: Person, plane: Plane, cloud: Cloud, monkeypatch: pytest.MonkeyPatch
) -> None:
    plane.file.write_text(FILE)
    monkeypatch.setenv("PENGUIN_API_URL", NOWHERE)
    refused = penguin("apply", "-f", str(plane.file))
    assert refused.status == 1
    assert "error[api.unreachable]" in refused.err
    assert "at: http://127.0.0.1:9" in refused.err
    assert "do: start it" in refused.err
    plane.visit()
    assert cloud.bought() == []
