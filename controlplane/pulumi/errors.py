"""Maps the engine's diagnostics to faults."""

from __future__ import annotations

import re
import signal
from collections.abc import Sequence
from dataclasses import dataclass

from controlplane.pulumi import faults
from controlplane.reconciler.faults import OPERATION_ENDED
from hostwinds import faults as provider
from kit.cloudflare import Answer
from kit.faults import Code, Fault
from stacks import faults as program

CODED = re.compile(r"\[([a-z]+\.[a-z_]+)\] (.*?)(?:; do: (.*))?$", re.DOTALL)
"""A fault in one line, as `kit.faults.line` writes it."""
STATUS_OF_THE_GATEWAY = " (HTTP 502)"
"""Ends the line of our Cloudflare plugin for what the gateway refuses or cannot do."""
ANSWER_OF_THE_GATEWAY = re.compile(r'\{"result": null, "success": false,.*\}')
"""In the text of Pulumi's own plugin."""
TABLES = (program.FAULTS, provider.FAULTS, faults.FAULTS)
PENDING = (provider.PENDING, provider.PROVISIONING)
"""Codes of what the provider or a person has not finished yet."""
TEXT_LIMIT = 500
"""Maximum characters of a diagnostic in a message."""


@dataclass(frozen=True)
class _Rule:
    pattern: re.Pattern[str]
    code: Code
    remedy: str | None
    """Replaces a remedy with fields that the engine's text does not give."""


def _rule(pattern: str, code: Code, remedy: str | None = None) -> _Rule:
    return _Rule(re.compile(pattern, re.IGNORECASE), code, remedy)


RULES = (
    _rule(r"currently locked by|\[409\] Conflict", faults.LOCKED),
    _rule(r"no space left|could not extend file|disk full", faults.DISK_FULL),
    _rule(
        r"open bucket|unable to (open|check|read|list).*(bucket|postgres|lock)|"
        r"failed to connect to `?.*database|could not connect|the database system is|"
        r"failed to (connect to|ping) PostgreSQL|\bpq: |driver: bad connection|"
        r"terminating connection|"
        r"\b(snapshot|checkpoint|lock|stacks?)\b.*(connection refused|connection reset|\bEOF)",
        program.STATE_UNREACHABLE,
    ),
    _rule(
        r"code = Unavailable|transport is closing|error reading from server|"
        r"plugin .* exited unexpectedly|plugin .* crashed",
        faults.PLUGIN_ENDED,
    ),
    _rule(r"cannot reach", program.CLOUDFLARE_UNREACHABLE),
    # Refusals that the gateway answers with 502, as Cloudflare gave them with status 200.
    _rule(
        r"\b(81053|81054|81055|81056|81057|81058)\b",
        program.FOREIGN_RECORD,
        "look at the records of this name at Cloudflare, move the other one to another name or "
        "rename the host in the file, then apply it again",
    ),
    _rule(r"\b81045\b", program.RECORD_QUOTA),
    _rule(r"\b10100\b|\b10429\b", program.CLOUDFLARE_RATE_LIMITED),
    # Early, since an internal error of Cloudflare can have the code of a refused token, 10000.
    # The second form is that of Pulumi's own plugin, followed by the answer's JSON.
    _rule(r"\(HTTP 5\d\d\)|: 5\d\d [A-Z][a-z]+", program.CLOUDFLARE_ERROR),
    _rule(r"\b(9109|9106|9103|10000|6003|6111)\b|\bAPI token\b", program.CLOUDFLARE_UNAUTHORIZED),
    _rule(r"failed to find exactly one result", program.ZONE_NOT_FOUND),
    _rule(r"\b81044\b", faults.RECORD_GONE),
    _rule(r"\b429\b|rate limit", program.CLOUDFLARE_RATE_LIMITED),
    _rule(
        r"connection refused|connection reset|no such host|timed? ?out|"
        r"temporary failure in name resolution",
        program.CLOUDFLARE_UNREACHABLE,
    ),
    _rule(
        r"no resource plugin|could not find plugin|failed to load plugin|plugin .* exited",
        faults.ENGINE_INCOMPLETE,
    ),
    _rule(r"incorrect passphrase|PULUMI_CONFIG_PASSPHRASE", faults.PASSPHRASE),
    _rule(r"out of memory|cannot allocate memory|MemoryError", faults.OUT_OF_MEMORY),
    _rule(r"\(HTTP 4\d\d\)|: 4\d\d [A-Z][a-z]+", program.RECORD_REFUSED),
    _rule(r"python inline source runtime error", faults.PROGRAM),
    _rule("", faults.FAILED),
)
SUMMARY = re.compile(
    r"^(error: )?(update|preview|refresh|destroy|one or more).*(failed|error)|^$", re.IGNORECASE
)


@dataclass(frozen=True)
class Diagnostic:
    """One error of the engine: the name of its resource, if it has one, and the text."""

    resource: str | None
    text: str


def explain(diagnostics: Sequence[Diagnostic], stack: str, code: int = 1) -> Fault | None:
    """Return the fault to act on, None when only addresses or new servers are
    waited for.

    `code` is the exit code of the engine, negative for the number of a signal.
    """
    if code < 0 and all(_is_summary(diagnostic) for diagnostic in diagnostics):
        reason = f"the engine was ended by {signal.Signals(-code).name}"
        return OPERATION_ENDED(reason=reason, where=f"stack/{stack}")
    explained = [
        _explain(diagnostic, stack) for diagnostic in diagnostics if not _is_summary(diagnostic)
    ]
    real = [fault for fault in explained if fault.code not in PENDING]
    if not real:
        return None if explained else _unknown(diagnostics, stack, code)
    specific = [fault for fault in real if fault.code is not faults.FAILED]
    return (specific or real)[0]


def code_of(name: str) -> Code:
    """Return the code of a name that the program or the provider has reported."""
    for table in TABLES:
        if code := table.get(name):
            return code
    return faults.FAILED


def _is_summary(diagnostic: Diagnostic) -> bool:
    return diagnostic.resource is None and SUMMARY.match(diagnostic.text.strip()) is not None


def _explain(diagnostic: Diagnostic, stack: str) -> Fault:
    text = " ".join(diagnostic.text.split()).removeprefix("error: ")
    where = f"stack/{stack}" + (f"/{diagnostic.resource}" if diagnostic.resource else "")
    if coded := CODED.search(_from_gateway(text)):
        name, message, remedy = coded.groups()
        return Fault(code_of(name), message, remedy or "read the message", where=where)
    rule = next(rule for rule in RULES if rule.pattern.search(text))
    return _with_text(rule, text[:TEXT_LIMIT], stack, where)


def _from_gateway(text: str) -> str:
    """Return the line of a fault that the gateway has reported; other texts are unchanged."""
    answer = ANSWER_OF_THE_GATEWAY.search(text)
    reported = Answer.of(502, answer.group().encode()).text() if answer else ""
    return reported or text.removesuffix(STATUS_OF_THE_GATEWAY)


def _with_text(rule: _Rule, text: str, stack: str, where: str) -> Fault:
    """Return a fault with the engine's text as message, whatever fields the code has."""
    if set(rule.code.example) <= {"reason"}:
        return rule.code(reason=text, where=where)
    if rule.code is faults.LOCKED:
        return rule.code(holder="another run", stack=stack, where=where)
    remedy = rule.remedy or rule.code.remedy
    return Fault(rule.code, text, remedy, where=where)


def _unknown(diagnostics: Sequence[Diagnostic], stack: str, code: int) -> Fault:
    text = "; ".join(diagnostic.text for diagnostic in diagnostics if diagnostic.text)
    text = text or f"the engine ended with status {code}, and gave no reason"
    return _explain(Diagnostic(None, text), stack)
