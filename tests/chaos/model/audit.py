"""What differs from the documents, once nothing is disturbed any more."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Any

import httpx2

from blueprint.document import Blueprint, Host
from blueprint.naming import tenant_of
from tests.chaos.model.documents import Declared
from tests.chaos.model.run import fields_of
from tests.chaos.model.world import World
from tests.support.installation import INSTALLATION


async def audit(world: World, documents: Mapping[str, Declared]) -> list[str]:
    """Return what is wrong."""
    found = [*_purchases(world), *_foreign(world)]
    blueprints: dict[str, Blueprint] = {}
    for name in await _tenants(world):
        if name not in documents:
            found.append(f"{name} is not deleted")
            continue
        view = (await world.api.get(f"/tenants/{name}")).json()
        if (reason := _not_ready(view)) is not None:
            found.append(f"{name} is not Ready: {reason}")
            continue
        answer = await world.api.get(f"/tenants/{name}/blueprint")
        if answer.status_code != httpx2.codes.OK:
            found.append(f"{name} has no blueprint: {answer.text}")
            continue
        blueprints[name] = Blueprint.model_validate(answer.json())
    found += [f"{name} is missing" for name in documents.keys() - blueprints.keys() if not found]
    if found:
        return found
    for name, blueprint in blueprints.items():
        found += _host_names(blueprint, documents[name])
        found += _servers(world, blueprint)
        found += _records(world, blueprint)
        found += _mailboxes(world, blueprint, documents[name])
    found += _unwanted(world, blueprints)
    found += _ledger(world)
    return found


async def unnoticed(world: World) -> list[str]:
    """Return the servers of states that have gone, moved or stopped, of tenants that are Ready."""
    running = [one for one in world.hostwinds.all_servers() if not one.off]
    main_ips = {one.serviceid: one.main_ip for one in running}
    return [
        f"{host.server_name} of {name}, which is Ready, is not there at {host.primary_ip}"
        for name in await _tenants(world)
        if _not_ready((await world.api.get(f"/tenants/{name}")).json()) is None
        for host in world.engine.state(name).hosts
        if host.primary_ip != main_ips.get(host.service_id or 0)
    ]


async def _tenants(world: World) -> list[str]:
    answer = await world.api.get("/tenants", params={"limit": 100})
    answer.raise_for_status()
    return [str(item["name"]) for item in answer.json()["items"]]


def _not_ready(view: Mapping[str, Any]) -> str | None:
    for condition in view["conditions"]:
        if (condition["subject"], condition["type"]) != ("tenant", "Ready"):
            continue
        if condition["status"] != "True":
            return f"{condition['reason']}: {condition['message']}"
        if condition["observed_generation"] < view["generation"]:
            return "its generation was not observed"
        return None
    return "nothing is known of it"


def _purchases(world: World) -> Iterator[str]:
    """What was bought twice, or ended although it is wanted."""
    alive: dict[str, int] = {}
    bought: Counter[str] = Counter()
    allowed = Counter(world.forgotten)
    for event, name, number in world.hostwinds.history:
        if not name.startswith(f"{INSTALLATION}-"):
            continue
        if event == "bought":
            if name in alive:
                yield f"{name} was bought as {number} beside {alive[name]}"
            if bought[name] > allowed[name]:
                yield f"{name} was bought as {number} again without permission"
            alive[name] = number
            bought[name] += 1
        else:
            alive.pop(name, None)
            if event == "ended":
                bought[name] -= 1
    yield from world.destroyed
    yield from world.hostwinds.unfrozen
    yield from world.engine.beside
    yield from world.ends.overtaken


def _foreign(world: World) -> Iterator[str]:
    """What is not ours, and has changed."""
    servers = {one.serviceid: one for one in world.hostwinds.all_servers()}
    for planted in world.foreign["servers"]:
        server = servers.get(planted["serviceid"])
        if server is None or [server.srvrname, server.ips] != [planted["srvrname"], planted["ips"]]:
            yield f"server {planted['serviceid']} {planted['srvrname']} is {server}"
    records = {str(record["id"]): record for _, record in world.records()}
    for _, planted in world.foreign["records"]:
        if records.get(str(planted["id"])) != planted:
            yield f"record {planted['type']} {planted['name']} is {records.get(planted['id'])}"


def _host_names(blueprint: Blueprint, declared: Declared) -> Iterator[str]:
    """A host or an address that drains is not there any more."""
    planned = {host.name: len(host.addresses) for host in blueprint.hosts}
    if planned != declared.hosts:
        yield f"{declared.name} has {planned}, and is to have {declared.hosts}"


def _servers(world: World, blueprint: Blueprint) -> Iterator[str]:
    """Each host has one server, with its addresses and their reverse names, as the state says."""
    state = {host.name: host for host in world.engine.state(blueprint.tenant).hosts}
    for host in blueprint.hosts:
        named = [one for one in world.ours() if one.srvrname == host.server_name]
        if len(named) != 1 or host.name not in state:
            yield f"{host.server_name} has the servers {[one.serviceid for one in named]}"
            continue
        [server], own = named, state[host.name]
        ips = {address.name: address.ip for address in own.addresses}
        if own.service_id != server.serviceid or own.primary_ip != server.main_ip:
            yield f"{host.server_name} is {server}, and in the state {own}"
        for address in host.addresses:
            ip = ips.get(address.name)
            if ip not in server.ips:
                yield f"{address.name} of {host.server_name} is {ip}, of {server.ips}"
            elif world.nameserver.pointers.get(str(ip)) != address.helo:
                yield f"{ip} is called {world.nameserver.pointers.get(str(ip))}"


def _records(world: World, blueprint: Blueprint) -> Iterator[str]:
    """Each record is there once, with its content."""
    state = world.engine.state(blueprint.tenant)
    ips = {address.name: address.ip for host in state.hosts for address in host.addresses}
    found: dict[str, list[dict[str, Any]]] = {}
    for _, record in world.marked():
        found.setdefault(str(record["comment"]), []).append(record)
    for planned in blueprint.records:
        if planned.stack is None:
            continue
        content = planned.content or str(ips.get(planned.address or ""))
        wanted = fields_of(planned, content)
        live = found.get(planned.comment, [])
        if len(live) != 1:
            yield f"{planned.key} is there {len(live)} times"
        elif any(live[0].get(key) != value for key, value in wanted.items()):
            yield f"{planned.key} is {live[0]}, not {wanted}"


def _mailboxes(world: World, blueprint: Blueprint, declared: Declared) -> Iterator[str]:
    """Hosts and sender have the mailboxes of the document."""
    numbers = {host.name: host.service_id for host in world.engine.state(blueprint.tenant).hosts}
    for host in blueprint.hosts:
        known = world.hosts.has.get(numbers[host.name] or 0)
        if known is None:
            yield f"{host.server_name} is not configured"
        elif _takes_mail(blueprint, host) and set(known["inbound"]["mailboxes"]) != (
            declared.addresses
        ):
            yield f"{host.server_name} has {known['inbound']}, not {declared.addresses}"
    rows = world.rows(
        "select entries.document from directory.entries as entries "
        "join oltp.tenants as tenants on tenants.id = tenant_id where tenants.name = %s",
        declared.name,
    )
    published = {box["address"] for (document,) in rows for box in document["mailboxes"]}
    if published != declared.addresses:
        yield f"the sender has {published}, not {declared.addresses}"


def _takes_mail(blueprint: Blueprint, host: Host) -> bool:
    own = f"{blueprint.tenant}.example"
    return any(domain.name == own and domain.is_on(host) for domain in blueprint.domains)


def _unwanted(world: World, blueprints: Mapping[str, Blueprint]) -> Iterator[str]:
    """Nothing of ours is left that no document wants.

    Records that no state knows are not counted yet: a run wrote them that was killed.
    """
    wanted = {host.server_name for each in blueprints.values() for host in each.hosts}
    comments = {record.comment for each in blueprints.values() for record in each.records}
    for server in world.ours():
        if server.srvrname not in wanted:
            tenant = tenant_of(server.srvrname, INSTALLATION)
            yield f"server {server.serviceid} {server.srvrname} of {tenant} is wanted by nobody"
    known = {row["id"] for stack in world.engine.stacks.values() for row in stack.rows.values()}
    for _, record in world.marked():
        if record["comment"] not in comments and record["id"] in known:
            yield f"record {record['comment']} is wanted by nobody"
    for tenant in world.engine.stacks.keys() - blueprints.keys():
        yield f"the state of {tenant} is left"


def _ledger(world: World) -> Iterator[str]:
    """Each open purchase is of what exists, and all that we have was bought by one."""
    servers = {str(server.serviceid): server for server in world.ours()}
    rows = world.journal.intents()
    for row in rows:
        number, _, name = row.key.partition("/")
        if name and (number not in servers or row.outcome not in servers[number].ips):
            yield f"the address {row.key} was bought as {row.outcome}, and is not there"
        if not name and row.outcome not in servers:
            yield f"{row.key} was bought as {row.outcome}, and is not there"
    bought = {row.outcome for row in rows if "/" not in row.key}
    for number in servers.keys() - bought:
        yield f"server {number} {servers[number].srvrname} is in no purchase"
