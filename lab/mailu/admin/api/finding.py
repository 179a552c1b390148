"""Objects by the names of a path, and the refusals where there are none."""

from __future__ import annotations

from lab.mailu.admin.application import Call
from lab.mailu.admin.messages import Refused
from lab.mailu.admin.names import is_address, is_domain, kept, kept_address
from lab.mailu.admin.store import Document, Kind, Store


def require_domain(name: str) -> None:
    """Refuse a name that no domain can have."""
    if not is_domain(name):
        raise Refused(400, f"{name} is not a valid domain")


def require_address(address: str) -> None:
    """Refuse what is no address."""
    if not is_address(address):
        raise Refused(400, f"{address} is not a valid address")


def named(call: Call, kind: Kind, name: str) -> Document:
    """Return a domain, alternative or relay."""
    require_domain(name)
    return existing(call.store, kind, kept(name))


def addressed(call: Call, kind: Kind, address: str) -> Document:
    """Return a user or alias."""
    require_address(address)
    return existing(call.store, kind, kept_address(address))


def existing(store: Store, kind: Kind, key: str) -> Document:
    """Return an object, or refuse."""
    found = store.find(kind, key)
    if found is None:
        raise Refused(404, f"the {kind} {key} does not exist")
    return found


def in_use(store: Store, name: str) -> bool:
    """Whether a domain, alternative or relay has this name. An impossible one raises ValueError."""
    kinds = (Kind.DOMAIN, Kind.ALTERNATIVE, Kind.RELAY)
    return any(store.find(kind, kept(name)) is not None for kind in kinds)


def of_domain(store: Store, kind: Kind, domain: str) -> list[Document]:
    """Return the users or aliases of a domain."""
    return [item for item in store.all(kind) if item["email"].endswith(f"@{domain}")]
