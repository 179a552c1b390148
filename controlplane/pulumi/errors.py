"""What the engine's complaints mean: one fault, mapped in this one place."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from controlplane.pulumi import faults
from hostwinds import faults as provider
from kit.faults import Code, Fault
from stacks import faults as program

CODED = re.compile(r"\[([a-z]+\.[a-z_]+)\] (.*?)(?:; do: (.*))?$", re.DOTALL)
"""How our own program and provider word a fault."""
TABLES = (program.FAULTS, provider.FAULTS, faults.FAULTS)
SHOWN = 500
"""Characters of a complaint that a message repeats."""


@dataclass(frozen=True)
class _Rule:
    pattern: re.Pattern[str]
    code: Code
    remedy: str | None
    """Where the code's own asks for values that are not in the engine's words."""


def _rule(pattern: str, code: Code, remedy: str | None = None) -> _Rule:
    return _Rule(re.compile(pattern, re.IGNORECASE), code, remedy)


RULES = (
    _rule(r"currently locked by|\[409\] Conflict", faults.LOCKED),
    # Cloudflare's own trouble comes first: it carries the number of a token's, 10000, too.
    _rule(r"\(HTTP 5\d\d\)", program.CLOUDFLARE_ERROR),
    _rule(r"\b(9109|9106|9103|10000|6003|6111)\b|no API token", program.CLOUDFLARE_UNAUTHORIZED),
    _rule(r"failed to find exactly one result", program.ZONE_NOT_FOUND),
    _rule(
        r"\b(81053|81054|81055|81056|81057|81058)\b",
        program.FOREIGN_RECORD,
        "delete the record at Cloudflare, or hand it over by setting its comment to our mark",
    ),
    _rule(r"\b81045\b", faults.RECORD_QUOTA),
    _rule(r"\b10429\b|\b429\b|rate limit", program.CLOUDFLARE_RATE_LIMITED),
    _rule(
        r"cannot reach|connection refused|connection reset|no such host|timed? ?out|"
        r"temporary failure in name resolution",
        program.CLOUDFLARE_UNREACHABLE,
    ),
    _rule(
        r"no resource plugin|could not find plugin|failed to load plugin|plugin .* exited",
        faults.ENGINE_INCOMPLETE,
    ),
    _rule(r"incorrect passphrase|PULUMI_CONFIG_PASSPHRASE", faults.PASSPHRASE),
    _rule(r"no space left|could not extend file|disk full", faults.DISK_FULL),
    _rule(
        r"open bucket|unable to (open|check|read|list).*(bucket|postgres|lock)|"
        r"failed to connect to `?.*database|could not connect|the database system is",
        program.STATE_UNREACHABLE,
    ),
    _rule(r"\(HTTP 4\d\d\)", faults.RECORD_REFUSED),
    _rule(r"python inline source runtime error", faults.PROGRAM),
    _rule("", faults.FAILED),
)
NOISE = re.compile(
    r"^(error: )?(update|preview|refresh|destroy|one or more).*(failed|error)|^$", re.IGNORECASE
)


@dataclass(frozen=True)
class Complaint:
    """One error of the engine: the resource's name, if it is about one, and the words."""

    resource: str | None
    text: str


def explain(complaints: Sequence[Complaint], stack: str) -> Fault | None:
    """Return the fault to act on; None when all that is wrong is a pending address."""
    found = [_explain(complaint, stack) for complaint in complaints if not _is_noise(complaint)]
    real = [fault for fault in found if fault.code is not provider.PENDING]
    if not real:
        return None if found else _unknown(complaints, stack)
    known = [fault for fault in real if fault.code is not faults.FAILED]
    return (known or real)[0]


def code_of(name: str) -> Code:
    """Return the code that the program or the provider has named."""
    for table in TABLES:
        if code := table.get(name):
            return code
    return faults.FAILED


def _is_noise(complaint: Complaint) -> bool:
    return complaint.resource is None and NOISE.match(complaint.text.strip()) is not None


def _explain(complaint: Complaint, stack: str) -> Fault:
    text = " ".join(complaint.text.split()).removeprefix("error: ")
    where = f"stack/{stack}" + (f"/{complaint.resource}" if complaint.resource else "")
    if coded := CODED.search(text):
        name, message, remedy = coded.groups()
        return Fault(code_of(name), message, remedy or "read the message", where=where)
    rule = next(rule for rule in RULES if rule.pattern.search(text))
    return _in_its_words(rule, text[:SHOWN], stack, where)


def _in_its_words(rule: _Rule, text: str, stack: str, where: str) -> Fault:
    """Return a fault whose message holds the engine's words, whatever fields the code has."""
    if set(rule.code.example) <= {"reason"}:
        return rule.code(reason=text, where=where)
    if rule.code is faults.LOCKED:
        return rule.code(holder="somebody else", stack=stack, where=where)
    remedy = rule.remedy or rule.code.remedy
    return Fault(rule.code, text, remedy, where=where)


def _unknown(complaints: Sequence[Complaint], stack: str) -> Fault:
    words = "; ".join(complaint.text for complaint in complaints) or "the engine gave no reason"
    return _explain(Complaint(None, words), stack)
