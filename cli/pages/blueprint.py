"""The page of a blueprint: hosts, addresses, records, cost."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from blueprint.cost import dollars
from blueprint.document import Address, Blueprint, Cost, Host, Record
from blueprint.instructions import Instruction, instructions, value_of
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
    show_instructions(instructions(blueprint))
    show_cost(blueprint.cost)


def records(blueprint: Blueprint, provider: Dns) -> list[Record]:
    """Return the records of a DNS provider."""
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
    if address.draining:
        return "released when its mail is sent"
    return "bulk mail" if address.sends_bulk else "people's mail"


def show_instructions(shown: Sequence[Instruction], *, whole: bool = False) -> None:
    """Print the records that the owner of a zone sets; see `show_records`."""
    if not shown:
        return
    print("\nRecords to set by hand, once")
    rows = [(one.name, one.type, one.value, one.note) for one in shown]
    _show_rows(rows, whole=whole)


def show_records(title: str, shown: Sequence[Record], *, whole: bool = False) -> None:
    """Print records; long values are cut to the terminal unless `whole`, with a note."""
    if not shown:
        return
    print(f"\n{title}")
    rows = [(record.name, record.type, value_of(record), "") for record in shown]
    _show_rows(rows, whole=whole)


def _show_rows(rows: Iterable[tuple[str, str, str, str]], *, whole: bool) -> None:
    """Print (name, type, value, note)."""
    is_cut = False
    for name, type_, value, note in rows:
        print(f"  {name}  {type_}")
        value = printable(value)
        room = width() - 6
        if not whole and len(value) > room:
            value, is_cut = fit(value, room), True
        print(f"      {value}")
        if note:
            print(wrapped(f"({note})", first=" " * 6))
    if is_cut:
        remedy = "values with … are cut; `penguin describe domain/NAME` shows them in full"
        print(wrapped(remedy, first="  (").rstrip() + ")")


def show_cost(cost: Cost) -> None:
    """Print what a tenant costs in a month."""
    print(f"\nMonthly cost: {dollars(cost.usd_cents)}")
    for item in cost.items:
        notes = {"estimate": item.estimate, "included in the plan": item.included}
        note = "".join(f"  ({words})" for words, holds in notes.items() if holds)
        print(f"  {item.item:<28} {dollars(item.usd_cents):>9}{note}")
