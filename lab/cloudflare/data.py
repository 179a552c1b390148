"""Record types that are given by `data`: both of their forms, checked as the DNS would."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from string import Formatter
from typing import Any

import dns.exception
import dns.name
import dns.rdata
import dns.rdataclass
import dns.rdatatype

from lab.cloudflare.errors import Refusal

Data = Mapping[str, Any]


@dataclass(frozen=True)
class Form:
    """The fields of a type, and how its content is written from them."""

    numbers: tuple[str, ...]
    texts: tuple[str, ...]
    content: str
    defaults: Mapping[str, Any]


def _form(numbers: str, texts: str, content: str, **defaults: Any) -> Form:
    return Form(tuple(numbers.split()), tuple(texts.split()), content, defaults)


SERVICE = _form("priority", "target value", "{priority} {target} {value}", value="")
ASSOCIATION = _form(
    "usage selector matching_type",
    "certificate",
    "{usage} {selector} {matching_type} {certificate}",
)
LOCATION = _form(
    "lat_degrees lat_minutes lat_seconds long_degrees long_minutes long_seconds "
    "altitude size precision_horz precision_vert",
    "lat_direction long_direction",
    "{lat_degrees} {lat_minutes} {lat_seconds:.3f} {lat_direction} "
    "{long_degrees} {long_minutes} {long_seconds:.3f} {long_direction} "
    "{altitude:.2f}m {size:.2f}m {precision_horz:.2f}m {precision_vert:.2f}m",
    lat_minutes=0,
    lat_seconds=0,
    long_minutes=0,
    long_seconds=0,
    altitude=0,
    size=0,
    precision_horz=0,
    precision_vert=0,
)
FORMS = {
    "CAA": _form("flags", "tag value", '{flags} {tag} "{value}"'),
    "CERT": _form(
        "type key_tag algorithm", "certificate", "{type} {key_tag} {algorithm} {certificate}"
    ),
    "DNSKEY": _form(
        "flags protocol algorithm", "public_key", "{flags} {protocol} {algorithm} {public_key}"
    ),
    "DS": _form(
        "key_tag algorithm digest_type", "digest", "{key_tag} {algorithm} {digest_type} {digest}"
    ),
    "HTTPS": SERVICE,
    "LOC": LOCATION,
    "NAPTR": _form(
        "order preference",
        "flags service regex replacement",
        '{order} {preference} "{flags}" "{service}" "{regex}" {replacement}',
        flags="",
        service="",
        regex="",
    ),
    "SMIMEA": ASSOCIATION,
    "SRV": _form("priority weight port", "target", "{weight} {port} {target}"),
    "SSHFP": _form("algorithm type", "fingerprint", "{algorithm} {type} {fingerprint}"),
    "SVCB": SERVICE,
    "TLSA": ASSOCIATION,
    "URI": _form("weight", "target", '{weight} "{target}"'),
}
"""By type. The priority of SRV and URI stands beside the content, not in it."""
WORD = re.compile(r'"(?:[^"\\]|\\.)*"|\S+')


def parsed(kind: str, given: object) -> dict[str, Any]:
    """Return the fields of `data` in their order; raises Refusal for a missing or wrong one.

    A number may be a string of digits: dns-lexicon sends nothing else.
    """
    form = FORMS[kind]
    if not isinstance(given, dict):
        raise _missing("data")
    fields: dict[str, Any] = {}
    for key in (*form.numbers, *form.texts):
        value = given.get(key, form.defaults.get(key))
        if value is None:
            raise _missing(key)
        fields[key] = _number(key, value) if key in form.numbers else _text(key, value)
    if kind == "SRV":
        fields["target"] = fields["target"].rstrip(".").lower() or "."
    if kind == "CAA":
        fields["value"] = fields["value"].strip('"')
    return fields


def content_of(kind: str, fields: Data) -> str:
    """Return the computed content."""
    return FORMS[kind].content.format(**fields).strip()


def read(kind: str, text: str) -> dict[str, Any]:
    """Return the fields of a body, `data` and for URI `priority`, from the text of a zone file.

    The last field takes what is left: parameters, or a key in several parts.
    """
    keys = [key for _, key, _, _ in Formatter().parse(FORMS[kind].content) if key]
    if kind in ("SRV", "URI"):
        keys.insert(0, "priority")
    words = [word.removesuffix("m") if kind == "LOC" else word for word in WORD.findall(text)]
    last = len(keys) - 1
    words = [*words[:last], " ".join(words[last:])]
    fields = {key: _bare(word) for key, word in zip(keys, words, strict=True)}
    beside = {"priority": int(fields.pop("priority"))} if kind == "URI" else {}
    return {**beside, "data": fields}


def refuse_what_dns_cannot_hold(kind: str, text: str) -> None:
    """Refuse a record whose presentation form the DNS does not accept.

    The code is chosen: Cloudflare documents one for a few types only.
    """
    try:
        dns.rdata.from_text(
            dns.rdataclass.IN,
            dns.rdatatype.from_text(kind),
            text,
            dns.name.root,
            relativize=False,
        ).to_wire()
    except (dns.exception.DNSException, ValueError) as error:
        raise Refusal(9007, f"Content for {kind} record is invalid: {error}") from None


def _bare(word: str) -> str:
    """Return a word without the quotes around it."""
    is_one = len(word) > 1 and WORD.fullmatch(word)
    return word[1:-1] if is_one and word.startswith('"') else word


def _number(key: str, value: Any) -> int | float:
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        raise _invalid(key)
    try:
        number = float(value)
    except (ValueError, OverflowError):
        raise _invalid(key) from None
    if not math.isfinite(number):
        raise _invalid(key)
    return int(number) if number.is_integer() else number


def _text(key: str, value: Any) -> str:
    if not isinstance(value, str):
        raise _invalid(key)
    return value.strip()


def _missing(key: str) -> Refusal:
    """The code is chosen."""
    return Refusal(9101, f"{key} is a required data field.")


def _invalid(key: str) -> Refusal:
    """The code is chosen."""
    return Refusal(9102, f"{key} is an invalid value.")
