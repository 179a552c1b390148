"""The page of a blueprint: hosts, addresses, records, cost."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from blueprint.cost import dollars
from blueprint.document import Address, Blueprint, Cost, Host, Record
from blueprint.tenant import Dns
from cli.table import fit
from cli.terminal import printable, width, wrapped
from controlplane.inventory.schemas import AddressView


def show(blueprint: Blueprint) -> None:
    """Print a blueprint."""
    print(f"Tenant:      {blueprint.tenant}, generation {blueprint.generation}")
    print(f"Digest:      {blueprint.digest}")
    show_hosts(blueprint.hosts)
    show_records("Records in zones at Cloudflare", records(blueprint, Dns.CLOUDFLARE))
    show_records("Records to set by hand, once", records(blueprint, Dns.MANUAL))
    show_cost(blueprint.cost)


def records(blueprint: Blueprint, provider: Dns) -> list[Record]:
    """Return the records of a DNS provider; those of `Dns.MANUAL` are set by hand."""
    return [record for record in blueprint.records if record.provider is provider]


def show_hosts(hosts: Iterable[Host]) -> None:
    """Print hosts with their addresses."""
    print("\nHosts")
    for host in hosts:
        size = f"{host.cpu} CPU, {host.ram_mb // 1024} GB"
        print(f"  {host.name}  {host.server_name}  {size}, {host.location}")
        for address in host.addresses:
            print(f"    {address.name:<8} {address.helo:<32} {use_of(address)}")


def use_of(address: Address | AddressView) -> str:
    """Return the use of an address."""
    return "bulk mail" if address.sends_bulk else "people's mail"


def show_records(title: str, shown: Sequence[Record], *, whole: bool = False) -> None:
    """Print records; long values are cut to the terminal unless `whole`, with a note."""
    if not shown:
        return
    print(f"\n{title}")
    is_cut = False
    for record in shown:
        print(f"  {record.name}  {record.type}")
        value = printable(value_of(record))
        room = width() - 6
        if not whole and len(value) > room:
            value, is_cut = fit(value, room), True
        print(f"      {value}")
    if is_cut:
        remedy = "values with … are cut; `penguin describe domain/NAME` shows them in full"
        print(wrapped(remedy, first="  (").rstrip() + ")")


def value_of(record: Record) -> str:
    """Return the value of a record."""
    if record.address:
        return f"(the IPv4 address of {record.address})"
    priority = f"{record.priority} " if record.priority is not None else ""
    return f"{priority}{record.content}"


def show_cost(cost: Cost) -> None:
    """Print what a tenant costs in a month."""
    print(f"\nMonthly cost: {dollars(cost.usd_cents)}")
    for item in cost.items:
        notes = {"estimate": item.estimate, "included in the plan": item.included}
        note = "".join(f"  ({words})" for words, holds in notes.items() if holds)
        print(f"  {item.item:<28} {dollars(item.usd_cents):>9}{note}")
