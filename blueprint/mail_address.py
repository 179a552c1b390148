"""The one rule of mail addresses: in documents, messages, settings and on the command line.

An address is an ASCII dot-string, `@`, and a full domain name in Punycode (RFC 5321 section 4.1.2).
Refused, with what to write: quoted local parts, which section 4.1.2 tells hosts not to need; local
parts beyond ASCII, which need SMTPUTF8 at every hop (RFC 6531); address literals and single labels,
which nobody outside can reply to; numeric top-level domains, which do not exist (RFC 3696 section
2); names, comments and control characters beside the address. Lengths are those of section 4.5.3.1
and of the path (RFC 3696, erratum 1690). The domain is kept in lower case, since DNS ignores case.
The local part of an address in a domain of others is kept as written (section 2.4); two addresses
are compared by `folded`.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache
from typing import Annotated, Any

import idna
from pydantic import AfterValidator, GetCoreSchemaHandler, GetJsonSchemaHandler

from blueprint.fields import NotMatching

ATOM = r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+"
DOMAIN = r"([A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?\.)+[A-Za-z][A-Za-z0-9-]{0,61}[A-Za-z0-9]"
ADDRESS = rf"^{ATOM}(\.{ATOM})*@{DOMAIN}$"
LOCAL_PART = r"^[^@]{1,64}@"
LONGEST = 254
EXAMPLE = "bob@example.com"
_ADDRESS = re.compile(ADDRESS.removesuffix("$") + r"\Z").match
_LOCAL_PART = re.compile(LOCAL_PART).match

REMEDIES = (
    (r"^[^@]*\Z", f"write the whole address, such as {EXAMPLE}"),
    (r"[\x00-\x1f\x7f-\x9f\u2028\u2029]", "write it without control characters and line breaks"),
    (r"[<>(),;]", "write one address alone, without a name or a comment beside it"),
    (r'"', "write an address without quotes: those that need them are not supported"),
    (r"@\[", "write a domain name in place of the IP address"),
    (r"[^\x00-\x7f].*@", "use ASCII characters before the @: others need SMTPUTF8 (RFC 6531)"),
    (r"[^\x00-\x7f]", "write the domain in Punycode (xn--…)"),
    (r" ", "write it without spaces"),
    (r"@.*@", "write one @"),
    (r"^[^@]{65,}@", "use at most 64 characters before the @"),
    (rf"^.{{{LONGEST + 1},}}", f"use at most {LONGEST} characters"),
    (r"^\.|\.\.|\.@", "write no dot at the beginning or the end, and no two dots in a row"),
    (r"\.\Z", "write the domain without a final dot"),
    (r"@[^.]*\Z", f"write the full domain name, such as {EXAMPLE}"),
    (r"\.[0-9]+\Z", "use a domain that exists: no top-level domain is a number"),
    (rf"@(?!{DOMAIN}\Z)", "write a domain after the @: letters, digits and hyphens between dots"),
)
"""What is wrong with an address that does not match, the most telling first; and what to write."""


@dataclass(frozen=True)
class _Rule:
    """Accepts what matches the patterns, and explains what does not."""

    remedy: str = f"write a mail address, such as {EXAMPLE}"

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> Any:
        return AfterValidator(_accepted).__get_pydantic_core_schema__(source, handler)

    def __get_pydantic_json_schema__(
        self, schema: Any, handler: GetJsonSchemaHandler
    ) -> dict[str, Any]:
        text = {**handler(schema), "maxLength": LONGEST, "pattern": ADDRESS}
        return {**text, "allOf": [{"pattern": LOCAL_PART}]}


MailAddress = Annotated[str, _Rule()]
"""An address of anybody, its domain in lower case."""


def is_mail_address(text: str) -> bool:
    """Return whether a text is an address by the rule."""
    return len(text) <= LONGEST and bool(_ADDRESS(text) and _LOCAL_PART(text))


def folded(address: str) -> str:
    """Return an address in the form in which two are compared.

    Case is folded in the local part too: no receiver of weight tells `Bob` from `bob`, and a person
    who unsubscribed must not get mail because of a capital letter.
    """
    return address.lower()


OwnAddress = Annotated[MailAddress, AfterValidator(folded)]
"""An address whose mail we host, so that case has no meaning in it."""


def domain_of(address: str) -> str:
    """Return the domain of an address."""
    return address.rpartition("@")[2]


def remedy_of(text: str) -> str:
    """Return what to write in place of a text that is no address."""
    fitting = (remedy for pattern, remedy in REMEDIES if re.search(pattern, text))
    return next(fitting, _Rule.remedy)


def meant_address(text: str) -> str | None:
    """Return the address that a text probably means: `Bob <bob@example.com>`, `bob@münchen.de`."""
    alone = re.fullmatch(r"[^<>]*<([^<>]+)>\s*", text)
    local, _, domain = (alone[1] if alone else text).strip().rpartition("@")
    local = local.removeprefix("mailto:")
    quoted = re.fullmatch('"(.*)"', local)  # quotes that are not needed change nothing
    candidate = f"{quoted[1] if quoted else local}@{meant_domain(domain)}"
    return candidate if is_mail_address(candidate) else None


def meant_domain(text: str) -> str | None:
    """Return the domain that a text probably means: in lower case, in Punycode, without final dot.

    Unicode is mapped as browsers map it (UTS 46, IDNA 2008).
    """
    try:
        return idna.encode(text.strip(), uts46=True, std3_rules=True).decode().rstrip(".")
    except UnicodeError:
        return None


@lru_cache(maxsize=1024)
def unicode_domain(domain: str) -> str:
    """Return a domain as a sender who uses SMTPUTF8 may write it (RFC 6531 3.7.1)."""
    try:
        return idna.decode(domain)
    except UnicodeError:
        return domain


def _accepted(text: str) -> str:
    if not is_mail_address(text):
        raise NotMatching(remedy_of(text), meant_address(text))
    if text.islower():
        return text
    local, _, domain = text.rpartition("@")
    return f"{local}@{domain.lower()}"
