"""The rules for a record: validation, and the stored form."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterable, Mapping
from typing import Any

import dns.exception
import dns.name

from lab.cloudflare import data as by_data
from lab.cloudflare.errors import Refusal, wrong_kind
from lab.cloudflare.limits import Plan

PROXIABLE = ("A", "AAAA", "CNAME")
HOSTS = ("CNAME", "MX", "NS", "PTR")
"""Types whose content is a host name."""
TYPES = ("A", "AAAA", *HOSTS, "OPENPGPKEY", "TXT", *by_data.FORMS)
TXT_WIRE = 4096
"""Octets of one TXT record in a message."""
TXT_TOTAL = 8192
"""Characters in all TXT records of one name."""
CHUNK = 255
AUTOMATIC_TTL = 1
DEFAULT_TTL = 300
"""What automatic means, in seconds."""
NOT_PROXIABLE = tuple(
    ipaddress.ip_network(network)
    for network in ("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "127.0.0.0/8", "1.1.1.1/32")
)
ESCAPE = re.compile(rb"(?s)\\(?:(\d{3})|(.))")
QUOTED = re.compile(r'"((?:[^"\\]|\\.)*)"')
NAME = re.compile(r"(\*\.)?([a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?\.)+[a-z0-9-]+")
HOST = re.compile(r"[a-z0-9_.-]+\.(?=[0-9-]*[a-z])[a-z0-9-]+")
"""A host name, not an IPv4 address."""
LONGEST_NAME = 253
CODES = {"A": 9005, "AAAA": 9006, "CNAME": 9007, "NS": 9008, "MX": 9009}
"""Codes of a wrong content; for other types it is chosen."""


def normalised(body: Mapping[str, Any], zone: str, plan: Plan) -> dict[str, Any]:
    """Return the record as it is stored and answered, without id and times; raises Refusal."""
    kind = body.get("type")
    if not isinstance(kind, str) or kind.upper() not in TYPES:
        raise Refusal(9020, "Invalid DNS record type.")
    kind = kind.upper()
    name = _name(body.get("name"), zone)
    record: dict[str, Any] = {"name": name, "type": kind}
    if kind in by_data.FORMS:
        fields = by_data.parsed(kind, body.get("data"))
        record["content"] = by_data.content_of(kind, fields)
    else:
        fields = None
        record["content"] = _content(kind, body.get("content"), name)
    if kind in ("MX", "URI"):
        record["priority"] = _priority(body.get("priority"))
    elif kind == "SRV" and fields is not None:
        record["priority"] = _priority(fields["priority"])
    if kind != "TXT":
        by_data.refuse_what_dns_cannot_hold(kind, plain_content(record))
    proxiable = _is_proxiable(kind, record["content"])
    proxied = _proxied(body.get("proxied"), kind, proxiable=proxiable)
    record |= {
        "proxiable": proxiable,
        "proxied": proxied,
        "ttl": AUTOMATIC_TTL if proxied else _ttl(body.get("ttl", AUTOMATIC_TTL), plan),
        "settings": _settings(kind, body.get("settings")),
        "meta": {},
        "comment": _comment(body.get("comment"), plan),
        "tags": _tags(body.get("tags"), plan),
    }
    if fields is not None:
        record["data"] = fields
    return record


def plain_content(record: Mapping[str, Any]) -> str:
    """Return the content for the name server: TXT unquoted and joined, others as in a zone file."""
    content = str(record["content"])
    if record["type"] == "TXT":
        return joined(content)
    return f"{record['priority']} {content}" if "priority" in record else content


def joined(text: str) -> str:
    """Join the quoted strings of a TXT content; without quotes it is one string already."""
    if not text.startswith('"'):
        return text
    return "".join(_strings(text))


def is_identical(record: Mapping[str, Any], other: Mapping[str, Any]) -> bool:
    """Tell whether two records of one name and type are the same."""
    return plain_content(record).lower() == plain_content(other).lower() and (
        record["type"] != "TXT" or plain_content(record) == plain_content(other)
    )


def ascii_name(name: str) -> str:
    """Return a name in lower case and Punycode (UTS 46, non-transitional), without final dot."""
    if name.isascii():
        return name.rstrip(".").lower()
    try:
        parsed = dns.name.from_text(name, idna_codec=dns.name.IDNA_2008_UTS_46)
    except dns.exception.DNSException:
        raise Refusal(9000, "DNS name is invalid.") from None
    return parsed.to_text(omit_final_dot=True).lower()


def unicode_name(name: str) -> str:
    """Return a name of a zone as the API answers it: in Unicode."""
    if "xn--" not in name:
        return name
    parsed = dns.name.from_text(name)
    return parsed.to_unicode(omit_final_dot=True, idna_codec=dns.name.IDNA_2008_UTS_46)


def _strings(text: str) -> list[str]:
    return [_unescaped(string) for string in QUOTED.findall(text)]


def _unescaped(string: str) -> str:
    """Read the escapes of a zone file: a character, or an octet in three digits."""
    try:
        return ESCAPE.sub(
            lambda found: bytes([int(found[1])]) if found[1] else found[2], string.encode()
        ).decode()
    except ValueError:
        raise _wrong("TXT") from None


def _name(given: object, zone: str) -> str:
    if not isinstance(given, str) or not given:
        raise Refusal(9000, "DNS name is invalid.")
    name = ascii_name(given)
    if name in ("@", ""):
        return zone
    if name != zone and not name.endswith(f".{zone}"):
        name = f"{name}.{zone}"
    if len(name) > LONGEST_NAME or not NAME.fullmatch(name):
        raise Refusal(9000, "DNS name is invalid.")
    return name


def _content(kind: str, given: object, name: str) -> str:
    if not isinstance(given, str) or not given:
        raise _wrong(kind)
    if kind in ("A", "AAAA"):
        return _address(kind, given)
    if kind == "TXT":
        return _text(given)
    if kind in HOSTS:
        content = ascii_name(given) or "."
        if kind == "CNAME" and content == name:
            raise Refusal(9039, "CNAME content cannot reference itself.")
        null = kind == "MX" and content == "."
        if not null and not HOST.fullmatch(content):
            raise _wrong(kind)
        return content
    return given


def _address(kind: str, content: str) -> str:
    """Refuse short forms of IPv4, convert IPv6 to its canonical form."""
    try:
        address = ipaddress.ip_address(content)
    except ValueError:
        raise _wrong(kind) from None
    if address.version != (4 if kind == "A" else 6):
        raise _wrong(kind)
    return str(address)


def _wrong(kind: str) -> Refusal:
    return Refusal(CODES.get(kind, 9007), f"Content for {kind} record is invalid.")


def _text(content: str) -> str:
    """Return short unquoted text unchanged; quote and split long text, as the API does."""
    is_quoted = content.startswith('"')
    if is_quoted and QUOTED.sub("", content).strip():
        raise Refusal(9010, "Quotes in TXT content are unbalanced.")
    strings = _strings(content) if is_quoted else [content]
    split = [part for string in strings for part in split_text(string)]
    if sum(len(part.encode()) + 1 for part in split) > TXT_WIRE:
        raise Refusal(9011, f"Content of a TXT record is limited to {TXT_WIRE} bytes.")
    if len(split) == len(strings):
        return content
    return quoted(split)


def quoted(strings: Iterable[str]) -> str:
    """Write strings as a TXT content."""
    return " ".join('"' + re.sub(r'(["\\])', r"\\\1", part) + '"' for part in strings)


def split_text(text: str) -> list[str]:
    """Split a text into strings of at most 255 octets, between characters."""
    strings, size = [""], 0
    for character in text:
        size += len(character.encode())
        if size > CHUNK:
            strings.append("")
            size = len(character.encode())
        strings[-1] += character
    return strings


def _is_proxiable(kind: str, content: str) -> bool:
    if kind == "A":
        return not any(ipaddress.ip_address(content) in network for network in NOT_PROXIABLE)
    return kind in PROXIABLE


def _proxied(given: object, kind: str, *, proxiable: bool) -> bool:
    if given is None:
        return False
    if not isinstance(given, bool):
        raise Refusal(9003, "Invalid 'proxied' value, must be a boolean")
    if given and kind not in PROXIABLE:
        raise Refusal(9004, "This record type cannot be proxied.")
    if given and not proxiable:
        raise Refusal(9041, "This record's target cannot be proxied.")
    return given


def _settings(kind: str, given: object) -> dict[str, Any]:
    own = {"flatten_cname": False} if kind == "CNAME" else {}
    if given is None:
        return own
    if not isinstance(given, dict) or not all(isinstance(value, bool) for value in given.values()):
        raise wrong_kind("settings")
    return {**own, **given}


def _comment(given: object, plan: Plan) -> str | None:
    if given is None or given == "":
        return None
    limit = plan.comment
    if not isinstance(given, str) or len(given) > limit or re.search(r"[\r\n]", given):
        raise Refusal(9313, f"DNS record comment exceeds the maximum length of {limit} characters.")
    return given


def _tags(given: object, plan: Plan) -> list[str]:
    tags = given or []
    if not isinstance(tags, list) or len(tags) > plan.tags:
        count = len(tags) if isinstance(tags, list) else 1
        raise Refusal(9300, f"DNS record has {count} tags, exceeding the quota of {plan.tags}.")
    for tag in tags:
        name, _, value = str(tag).partition(":")
        if not re.fullmatch(r"[A-Za-z0-9_-]{1,32}", name) or len(value) > 100:
            raise Refusal(9301, f"The tag {tag} is invalid.")
    return sorted(map(str, tags))


def _ttl(given: object, plan: Plan) -> int:
    if isinstance(given, bool) or not isinstance(given, int | float):
        raise Refusal(9022, "TTL must be a number, not a string.")
    if given != AUTOMATIC_TTL and not plan.ttl <= given <= 86400:
        raise Refusal(9021, f"Invalid TTL. Must be between {plan.ttl} and 86400 seconds, or 1.")
    return int(given)


def _priority(given: object) -> int:
    number = isinstance(given, int | float) and not isinstance(given, bool)
    if not number or not 0 <= given <= 65535:  # type: ignore[operator]  # a number by then
        raise Refusal(9101, "priority is a required data field.")
    return int(given)  # type: ignore[call-overload,no-any-return]  # a number by then
