"""What the engine's complaints mean: one stable code and remedy each, mapped in this one place."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from controlplane.reconciler.ports import ProvisioningError

PENDING = "hostwinds.pending"
"""An address that waits for the portal: not an error, the state says so."""
CODED = re.compile(r"\[([a-z]+\.[a-z_]+)\] (.*?)(?:; do: (.*))?$", re.DOTALL)
"""How our own program and provider word an error."""
PERSONAL = {
    "dns.zone_not_found",
    "dns.foreign_record",
    "dns.quota",
    "cloud.locked",
    "hostwinds.replacement_name",
}
"""Codes about which the tenant's owner must do something."""
LASTING = {
    *PERSONAL,
    "hostwinds.unauthorized",
    "hostwinds.refused",
    "hostwinds.firewall_without_ssh",
    "hostwinds.purchase_ambiguous",
    "cloudflare.unauthorized",
    "cloudflare.refused",
    "cloud.passphrase",
    "cloud.plugin_missing",
    "cloud.program",
} - {"cloud.locked"}
"""Codes where doing the same again cannot help."""


@dataclass(frozen=True)
class _Rule:
    pattern: re.Pattern[str]
    code: str
    remedy: str


def _rule(pattern: str, code: str, remedy: str) -> _Rule:
    return _Rule(re.compile(pattern, re.IGNORECASE), code, remedy)


RULES = (
    _rule(
        r"currently locked by|\[409\] Conflict",
        "cloud.locked",
        "wait until the other run has ended, or release it with `pulumi cancel`",
    ),
    # Cloudflare's own trouble comes first: it carries the number of a token's, 10000, too.
    _rule(r"\(HTTP 5\d\d\)", "cloudflare.error", "nothing: it is tried again"),
    _rule(
        r"\b(9109|9106|9103|10000|6003|6111)\b|no API token",
        "cloudflare.unauthorized",
        "check CLOUDFLARE_API_TOKEN and its permissions (DNS write, zone read)",
    ),
    _rule(
        r"failed to find exactly one result",
        "dns.zone_not_found",
        "add the zone to the Cloudflare account, or give the token access to it",
    ),
    _rule(
        r"\b(81053|81054|81055|81056|81057|81058)\b",
        "dns.foreign_record",
        "delete the record that stands there, or give it our mark as its comment",
    ),
    _rule(r"\b81045\b", "dns.quota", "delete records of the zone, or take a larger plan for it"),
    _rule(
        r"\b10429\b|\b429\b|rate limit",
        "cloudflare.rate_limited",
        "nothing: it is tried again more slowly",
    ),
    _rule(
        r"cannot reach|connection refused|connection reset|no such host|timed? ?out|"
        r"temporary failure in name resolution",
        "cloud.unreachable",
        "check the network and the API addresses in the settings; it is tried again",
    ),
    _rule(
        r"no resource plugin|could not find plugin|failed to load plugin|plugin .* exited",
        "cloud.plugin_missing",
        "run `penguin engine` and put in place what it names as missing",
    ),
    _rule(
        r"incorrect passphrase|PULUMI_CONFIG_PASSPHRASE",
        "cloud.passphrase",
        "set PULUMI_CONFIG_PASSPHRASE_FILE to the file that the state was made with",
    ),
    _rule(r"no space left|could not extend file|disk full", "cloud.disk_full", "free disk space"),
    _rule(
        r"open bucket|unable to (open|check|read|list).*(bucket|postgres|lock)|"
        r"failed to connect to `?.*database|could not connect|the database system is",
        "cloud.state_unreachable",
        "check PULUMI_BACKEND_URL and that its database or directory is there",
    ),
    _rule(
        r"\(HTTP 4\d\d\)",
        "cloudflare.refused",
        "change the tenant as the message says, then apply it again",
    ),
    _rule(
        r"python inline source runtime error",
        "cloud.program",
        "this is a fault of PenguinMails: report it with the operation's log",
    ),
)
NOISE = re.compile(
    r"^(error: )?(update|preview|refresh|destroy|one or more).*(failed|error)|^$", re.IGNORECASE
)


@dataclass(frozen=True)
class Complaint:
    """One error of the engine: the resource's name, if it is about one, and the words."""

    resource: str | None
    text: str


def explain(complaints: Sequence[Complaint], stack: str) -> ProvisioningError | None:
    """Return the error to act on; None when all that is wrong is a pending address."""
    found = [_explain(complaint, stack) for complaint in complaints if not _is_noise(complaint)]
    real = [error for error in found if error.code != PENDING]
    if not real:
        return None if found else _unknown(complaints, stack)
    known = [error for error in real if error.code != "cloud.failed"]
    return (known or real)[0]


def _is_noise(complaint: Complaint) -> bool:
    return complaint.resource is None and NOISE.match(complaint.text.strip()) is not None


def _explain(complaint: Complaint, stack: str) -> ProvisioningError:
    text = " ".join(complaint.text.split()).removeprefix("error: ")
    where = f"stack/{stack}" + (f"/{complaint.resource}" if complaint.resource else "")
    coded = CODED.search(text)
    if coded:
        code, message, remedy = coded.groups()
        return _error(code, message, remedy or "read the message", where)
    for rule in RULES:
        if rule.pattern.search(text):
            return _error(rule.code, text[:500], rule.remedy, where)
    return _error("cloud.failed", text[:500], "read the operation's log; it is tried again", where)


def _error(code: str, message: str, remedy: str, where: str) -> ProvisioningError:
    acts: Literal["user", "platform"] = "user" if code in PERSONAL else "platform"
    return ProvisioningError(
        code, message, remedy=remedy, acts=acts, retryable=code not in LASTING, where=where
    )


def _unknown(complaints: Sequence[Complaint], stack: str) -> ProvisioningError:
    said = "; ".join(complaint.text for complaint in complaints) or "the engine gave no reason"
    return _explain(Complaint(None, said), stack)
