"""The syntax of an SPF record and its macros (RFC 7208 sections 4.6.1, 5, 6, 7 and 12)."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from ipaddress import IPv4Network, IPv6Network
from urllib.parse import quote

VERSION = re.compile(rb"v=spf1(?: |\Z)", re.IGNORECASE)
QUALIFIERS = {"": "pass", "+": "pass", "-": "fail", "~": "softfail", "?": "neutral"}
NAME_LIMIT = 253
"""Characters of a domain name in text; a longer expansion loses labels on the left (7.3)."""

_MODIFIER = re.compile(r"([a-z][a-z0-9_.-]*)=(.*)", re.IGNORECASE)
_MECHANISM = re.compile(r"([-+~?]?)([a-z][a-z0-9_.-]*)(.*)", re.IGNORECASE)
_TARGET = re.compile(r"(?::(?P<domain>.*?))?(?:/(?P<v4>0|[1-9]\d?))?(?://(?P<v6>0|[1-9]\d{0,2}))?")
_MACRO = re.compile(r"%(?:\{([slodiphv])([1-9]\d*)?(r?)([.\-+,/_=]*)\}|([%_-]))", re.IGNORECASE)
_LITERAL = re.compile(r"[\x21-\x24\x26-\x7e]*")
_TOP_LABEL = re.compile(
    r".*\.(?:[a-z0-9]*[a-z][a-z0-9]*|[a-z0-9]+-[a-z0-9-]*[a-z0-9])\.?", re.IGNORECASE
)
_ESCAPED = {"%": "%", "_": " ", "-": "%20"}
_LARGEST_PREFIX = {4: 32, 6: 128}


class SyntaxMistake(Exception):
    """The record is not valid; the message says what is wrong in it."""


@dataclass(frozen=True)
class Mechanism:
    """One directive: `mx:acme.example/24`."""

    text: str
    result: str
    """What its qualifier returns when it matches."""
    name: str
    domain: str | None = None
    """With macros; None where the checked domain is meant."""
    network: IPv4Network | IPv6Network | None = None
    prefixes: tuple[int, int] = (32, 128)
    """Of IPv4 and IPv6 addresses."""


@dataclass(frozen=True)
class SpfRecord:
    """A parsed record."""

    mechanisms: tuple[Mechanism, ...]
    redirect: str | None


def is_spf(text: bytes) -> bool:
    """Return whether a TXT record is an SPF record (4.5)."""
    return VERSION.match(text) is not None


@lru_cache(maxsize=256)
def parse(text: bytes) -> SpfRecord:
    """Parse all terms; raises SyntaxMistake, as a mistake anywhere makes the record void (4.6)."""
    try:
        terms = [term for term in text.decode("ascii").split(" ")[1:] if term]
    except UnicodeDecodeError:
        raise SyntaxMistake("it contains characters that are not ASCII") from None
    mechanisms: list[Mechanism] = []
    modifiers: dict[str, str] = {}
    for term in terms:
        if (modifier := _MODIFIER.fullmatch(term)) is None:
            mechanisms.append(_mechanism(term))
            continue
        name, value = modifier[1].lower(), modifier[2]
        if name in ("redirect", "exp"):
            if name in modifiers:
                raise SyntaxMistake(f"it has more than one {name}=")
            modifiers[name] = _domain(value, term)
        else:
            _check_macros(value, term)
    return SpfRecord(tuple(mechanisms), modifiers.get("redirect"))


def expand(text: str, macros: dict[str, str]) -> str:
    """Replace the macros of a domain (7): `macros` has their values by lower-case letter."""

    def value(macro: re.Match[str]) -> str:
        letter, digits, backwards, delimiters, escaped = macro.groups()
        if escaped:
            return _ESCAPED[escaped]
        parts = re.split(f"[{re.escape(delimiters or '.')}]", macros[letter.lower()])
        if backwards:
            parts.reverse()
        kept = ".".join(parts[-int(digits) :] if digits else parts)
        return quote(kept, safe="") if letter.isupper() else kept

    name = _MACRO.sub(value, text).removesuffix(".")
    while len(name) > NAME_LIMIT and "." in name:
        name = name.partition(".")[2]
    return name


def uses_macro(text: str, letter: str) -> bool:
    """Return whether a domain contains a macro."""
    return any((macro[1] or "").lower() == letter for macro in _MACRO.finditer(text))


def _mechanism(term: str) -> Mechanism:
    parts = _MECHANISM.fullmatch(term)
    if parts is None:
        raise SyntaxMistake(f"{term!r} is not a term")
    qualifier, name, rest = parts[1], parts[2].lower(), parts[3]
    result = QUALIFIERS[qualifier]
    if name == "all" and not rest:
        return Mechanism(term, result, name)
    if name in ("ip4", "ip6"):
        return Mechanism(term, result, name, network=_network(name, rest, term))
    if name in ("a", "mx"):
        domain, prefixes = _target(rest, term)
        return Mechanism(term, result, name, domain, prefixes=prefixes)
    if name == "ptr" and not rest:
        return Mechanism(term, result, name)
    if name in ("include", "exists", "ptr") and rest.startswith(":"):
        return Mechanism(term, result, name, _domain(rest[1:], term))
    raise SyntaxMistake(f"{term!r} is not a mechanism")


def _target(rest: str, term: str) -> tuple[str | None, tuple[int, int]]:
    """Return domain and prefix lengths of `a` and `mx`."""
    parts = _TARGET.fullmatch(rest)
    if parts is None:
        raise SyntaxMistake(f"{term!r} is not a mechanism")
    prefixes = int(parts["v4"] or 32), int(parts["v6"] or 128)
    if prefixes[0] > _LARGEST_PREFIX[4] or prefixes[1] > _LARGEST_PREFIX[6]:
        raise SyntaxMistake(f"{term!r} has a prefix length that is too large")
    domain = parts["domain"]
    return None if domain is None else _domain(domain, term), prefixes


def _network(name: str, rest: str, term: str) -> IPv4Network | IPv6Network:
    make = IPv4Network if name == "ip4" else IPv6Network
    _, slash, prefix = rest.removeprefix(":").partition("/")
    is_number = prefix.isdecimal() and (prefix == "0" or not prefix.startswith("0"))
    if not rest.startswith(":") or (slash and not is_number):
        raise SyntaxMistake(f"{term!r} is not a mechanism")
    try:
        return make(rest[1:], strict=False)
    except ValueError:
        raise SyntaxMistake(f"{term!r} contains no valid address") from None


def _domain(text: str, term: str) -> str:
    """Check the syntax of a domain: it ends in a macro or in a valid top-level label (7.1)."""
    macros = _check_macros(text, term)
    if not (macros and macros[-1].end() == len(text)) and not _TOP_LABEL.fullmatch(text):
        raise SyntaxMistake(f"{term!r} contains no valid domain name")
    return text


def _check_macros(text: str, term: str) -> list[re.Match[str]]:
    if not _LITERAL.fullmatch(_MACRO.sub("", text)):
        raise SyntaxMistake(f"{term!r} contains an invalid character or macro")
    return list(_MACRO.finditer(text))


def merged(texts: Sequence[str], ours: str) -> str:
    """Return one record that lets out whom `texts` and `ours` let out; `all` stays the owner's."""
    own = [term for term in ours.split()[1:] if not _is_all(term)]
    others = [term for text in texts for term in _effective(text.split()[1:])]
    ends = [term for term in others if _is_all(term)]
    redirects = [term for term in others if _is_redirect(term)]
    if not ends and len(redirects) == 1:
        ends, redirects = redirects, []
    included = {term: f"include:{term.partition('=')[2]}" for term in redirects}
    kept = [included.get(term, term) for term in others if term not in (*own, *ends)]
    return " ".join(["v=spf1", *own, *dict.fromkeys(kept), (ends or ours.split()[-1:])[0]])


def _effective(terms: Sequence[str]) -> Sequence[str]:
    """Leave out what has no effect where there is an `all`: what follows it, and redirect (6.1)."""
    end = next((index for index, term in enumerate(terms) if _is_all(term)), None)
    if end is None:
        return terms
    kept = [term for term in terms[:end] if not _is_redirect(term)]
    later = [term for term in terms[end + 1 :] if _MODIFIER.fullmatch(term)]
    return [*kept, *(term for term in later if not _is_redirect(term)), terms[end]]


def _is_all(term: str) -> bool:
    return term.lower().lstrip("+-~?") == "all"


def _is_redirect(term: str) -> bool:
    return term.lower().startswith("redirect=")
