"""Names on the command line: `tenant/acme` and `tenant acme` mean the same to every command."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Annotated

import typer

from blueprint.manifests import GROUP
from cli import completing
from cli.faults import USAGE
from cli.kinds import BY_WORD, KINDS, TENANT, Kind
from kit.faults import Fault

ResourceArgument = Annotated[
    list[str],
    typer.Argument(
        metavar="KIND/NAME",
        help="as tenant/acme, or tenant acme",
        autocompletion=completing.resources,
    ),
]
TenantArgument = Annotated[
    list[str],
    typer.Argument(
        metavar="TENANT",
        help="as acme, tenant/acme, or tenant acme",
        autocompletion=completing.tenants,
    ),
]
OptionalTenantArgument = Annotated[
    list[str] | None,
    typer.Argument(
        metavar="[TENANT]",
        help="as acme, tenant/acme, or tenant acme",
        autocompletion=completing.tenants,
    ),
]
TenantOption = Annotated[
    str | None,
    typer.Option(
        "--tenant",
        "-t",
        help="only of this tenant: acme, or tenant/acme",
        autocompletion=completing.tenants,
    ),
]


@dataclass(frozen=True)
class Reference:
    """One resource, or all of a kind, as named on the command line."""

    kind: Kind
    name: str | None

    def __str__(self) -> str:
        """Return it as commands print it: `tenant/acme`."""
        return self.kind.name if self.name is None else f"{self.kind.name}/{self.name}"


def reference(words: Sequence[str]) -> Reference:
    """Read `hosts`, `host/mx1` or `host mx1`."""
    word, slash, rest = words[0].partition("/") if words else ("", "", "")
    kind = BY_WORD.get(word.lower().removesuffix(f".{GROUP}"))
    if kind is None:
        raise USAGE(
            mistake=f"{word} is not a kind of resource"
            if word
            else "the kind of resource is missing",
            remedy=f"use one of: {', '.join(kind.plural for kind in KINDS)}",
        )
    names = [*([rest] if slash else []), *words[1:]]
    if len(names) > 1:
        raise USAGE(
            mistake=f"{' '.join(words)} names more than one resource", remedy="give one at a time"
        )
    if names and not kind.has_names:
        raise _unnamed(kind)
    if names and not names[0].strip():
        raise USAGE(
            mistake=f"the name of the {kind.name} is empty",
            remedy=f"see `penguin get {kind.plural}`",
        )
    return Reference(kind, names[0].strip() if names else None)


def named(words: Sequence[str]) -> Reference:
    """Read a reference to one resource."""
    ref = reference(words)
    if not ref.kind.has_names:
        raise _unnamed(ref.kind)
    if ref.name is None:
        raise USAGE(
            mistake=f"the name of the {ref.kind.name} is missing",
            remedy=f"add one that `penguin get {ref.kind.plural}` lists",
        )
    return ref


def _unnamed(kind: Kind) -> Fault:
    return USAGE(
        mistake=f"{kind.plural} have no names",
        remedy=f"use `penguin get {kind.plural}`, with --tenant for those of one tenant",
    )


def tenant_name(words: Sequence[str]) -> str:
    """Read the name of a tenant: `acme`, `tenant/acme` or `tenant acme`."""
    if len(words) == 1 and "/" not in words[0] and words[0] not in (TENANT.name, TENANT.plural):
        words = [TENANT.name, *words]
    ref = named(words)
    if ref.kind is not TENANT:
        raise USAGE(mistake=f"{ref} is not a tenant", remedy="use tenant/NAME")
    return str(ref.name)


def tenant_option(value: str | None) -> str | None:
    """Read the value of `--tenant`."""
    return None if value is None else tenant_name([value])


def tenant_of(words: Sequence[str] | None, option: str | None) -> str | None:
    """Return the tenant that an argument or `--tenant` names; None when neither does."""
    if words and option is not None:
        raise USAGE(mistake="the tenant is given twice", remedy="leave out --tenant")
    return tenant_name(words) if words else tenant_option(option)


def subject_fields(
    subject: str, kinds: Iterable[str], *, mistake: str, forms: str
) -> dict[str, str]:
    """Return what is held or warmed up, such as `address/IP`, as fields of the API's requests."""
    kind, _, name = subject.partition("/")
    if kind not in set(kinds) or not name:
        raise USAGE(mistake=f"{subject} {mistake}", remedy=f"give {forms}")
    return {"kind": kind, "name": name}
