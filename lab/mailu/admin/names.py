"""Names of domains and addresses: which are valid, how they are kept, how they are shown."""

from __future__ import annotations

import re

LABEL = re.compile(r"(?!-)[a-z0-9-]{1,63}(?<!-)")
LOCAL = re.compile(r"[a-z0-9!#$%&'*+/=?^_`{|}~-]+(\.[a-z0-9!#$%&'*+/=?^_`{|}~-]+)*", re.IGNORECASE)


def kept(name: str) -> str:
    """Return the key of a domain: small letters, ASCII. Raises ValueError if there is none."""
    text = name.lower().encode("idna").decode()
    if not all(LABEL.fullmatch(label) for label in text.removesuffix(".").split(".")):
        raise ValueError(f"{name!r} cannot be the name of a domain")
    return text


def shown(key: str) -> str:
    """Return a domain's name as answers have it: Unicode."""
    return key.encode().decode("idna")


def is_domain(name: str) -> bool:
    """Whether the API takes this name for a domain's."""
    try:
        text = kept(name)
    except ValueError:
        return False
    last = text.rpartition(".")[2]
    return "." in text and bool(last) and not last.isdigit() and len(text) <= 253


def is_address(address: str) -> bool:
    """Whether the API takes this for a mail address."""
    local, at, domain = address.rpartition("@")
    return bool(at) and len(local) <= 64 and bool(LOCAL.fullmatch(local)) and is_domain(domain)


def kept_address(address: str) -> str:
    """Return the key of an address. Raises ValueError if there is none."""
    local, at, domain = address.lower().rpartition("@")
    if not at or "@" in local:
        raise ValueError(f"{address!r} cannot be an address")
    return f"{local}@{kept(domain)}"


def shown_address(key: str) -> str:
    """Return an address as answers have it."""
    local, _, domain = key.rpartition("@")
    return f"{local}@{shown(domain)}"
