"""Where the mail of an address goes."""

from __future__ import annotations

import re

from lab.mailu.admin.api.finding import of_domain
from lab.mailu.admin.names import kept
from lab.mailu.admin.store import Document, Kind, Store


def key_of(domain: str) -> str:
    """Return the key of a domain, or a text that no object has."""
    try:
        return kept(domain)
    except ValueError:
        return ""


def resolved(store: Store, address: str) -> tuple[str | None, str]:
    """Return local part and domain of an address; an alternative gives its domain."""
    local, at, domain = address.rpartition("@")
    alternative = store.find(Kind.ALTERNATIVE, key_of(domain))
    return (local if at else None), alternative["domain"] if alternative else domain.lower()


def without_detail(local: str, delimiters: str) -> str:
    """Return a local part without what follows a delimiter."""
    return re.split(f"[{re.escape(delimiters)}]", local, maxsplit=1)[0] if delimiters else local


def destinations(
    store: Store, local: str, domain: str, delimiters: str, *, as_sender: bool = False
) -> list[str] | None:
    """Return where mail goes, or who may send it; None if the address does not exist.

    A user comes before an alias of the same name, an exact alias before a wildcard. A user who
    forwards may still send as the address, copy or not.
    """
    whole, plain = local.lower(), without_detail(local.lower(), delimiters)
    domain = key_of(domain)
    user = store.find(Kind.USER, f"{whole}@{domain}") or store.find(Kind.USER, f"{plain}@{domain}")
    if user:
        own = [f"{local}@{domain}"]
        if not user["forward_enabled"]:
            return own
        return [*user["forward_destination"], *(own if user["forward_keep"] or as_sender else [])]
    aliases = of_domain(store, Kind.ALIAS, domain)
    matching = (
        _exact(aliases, whole)
        or (plain != whole and (_exact(aliases, plain) or _wildcard(aliases, plain)))
        or _wildcard(aliases, whole)
    )
    return list(matching["destination"]) if matching else None


def _exact(aliases: list[Document], local: str) -> Document | None:
    found = (a for a in aliases if not a["wildcard"] and _local(a) == local)
    return next(found, None)


def _wildcard(aliases: list[Document], local: str) -> Document | None:
    """Return the longest pattern that matches: `%` is any text, `_` any character."""
    found = [a for a in aliases if a["wildcard"] and _pattern(_local(a)).fullmatch(local)]
    return max(found, key=lambda alias: len(_local(alias)), default=None)


def _local(alias: Document) -> str:
    return str(alias["email"].rpartition("@")[0])


def _pattern(text: str) -> re.Pattern[str]:
    return re.compile(re.escape(text).replace("%", ".*").replace("_", "."))
