"""Judges whether mail leaves from each address, by what the echo MX answered to the host."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

from pydantic import BaseModel

from controlplane.reconciler.ports import Finding, ObservedAddress
from controlplane.verification import faults

CHECK = "smtp.outbound"
COMMAND = "/usr/local/sbin/penguin-outbound"
"""Prints a new report; with `--last` the kept one, while it holds."""
_WORD = re.compile(r"\b(source|helo|tls)=(\S*)")


class Result(BaseModel):
    """The dialogue of one address; `stage` is where it ended."""

    ip: str
    helo: str
    stage: Literal["lookup", "bind", "connect", "tls", "dialogue", "done"]
    reason: str = ""
    reply: str = ""
    """The last reply of the echo MX."""
    tls: str | None = None


class Config(BaseModel):
    """What the host was configured to try."""

    mx: str


class Report(BaseModel):
    """What the program of the role `outbound` prints."""

    config: Config
    results: list[Result]
    kept: bool = False
    """It was made before it was asked for."""


@dataclass(frozen=True)
class Answers:
    """To whom else the echo MX answers: then a failure is not its own."""

    anybody: bool = False
    encrypted: bool = False

    @classmethod
    def of(cls, results: Sequence[Result]) -> Answers:
        """Return what the dialogues of other addresses show."""
        done = [result for result in results if result.stage == "done"]
        return cls(bool(done), any(result.tls for result in done))

    def __or__(self, other: Answers) -> Answers:
        return Answers(self.anybody or other.anybody, self.encrypted or other.encrypted)


def judge(address: ObservedAddress, report: Report, mx: str, answers: Answers) -> Finding:
    """Return the finding about one address."""
    subject, ip = f"address/{address.name}", str(address.ip)
    own = [r for r in report.results if (r.ip, r.helo) == (address.ip, address.helo)]
    if report.config.mx != mx or not own:
        part = "another echo MX" if report.config.mx != mx else "other addresses"
        return unread(address, f"the host was configured for {part}", outdated=True)
    result = own[0]
    if result.stage == "done":
        return _heard(subject, result, mx, answers)
    words = {"lookup": "no A record is found", "tls": "TLS fails", "connect": "no connection to "
             "port 25", "dialogue": "the dialogue broke off"}  # fmt: skip
    if result.stage == "bind" or (result.stage == "connect" and answers.anybody):
        closed = faults.OUTBOUND_CLOSED(ip=ip, mx=mx, reason=result.reason)
        return Finding.of(subject, CHECK, closed)
    if result.stage == "tls" and answers.encrypted:
        return Finding.of(subject, CHECK, faults.OUTBOUND_IN_CLEAR(ip=ip, mx=mx))
    unclear = f"{words[result.stage]}: {result.reason}"
    fault = faults.OUTBOUND_UNCLEAR(ip=ip, mx=mx, reason=unclear)
    return Finding.of(subject, CHECK, fault, checked=False)


def _heard(subject: str, result: Result, mx: str, answers: Answers) -> Finding:
    """Compare what the echo MX reports; one that reports nothing shows that the port is open."""
    seen = {word: value.rstrip(".,;)") for word, value in _WORD.findall(result.reply)}
    for part, word, expected in (("address", "source", result.ip), ("HELO", "helo", result.helo)):
        if seen.get(word, expected).lower() != expected:
            fault = faults.OUTBOUND_DIFFERENT(
                ip=result.ip, mx=mx, part=part, actual=seen[word] or "none", expected=expected
            )
            return Finding.of(subject, CHECK, fault)
    arrives_in_clear = seen.get("tls", result.tls) in (None, "", "none")
    if arrives_in_clear and (answers.encrypted or result.tls):
        fault = faults.OUTBOUND_IN_CLEAR(ip=result.ip, mx=mx)
        return Finding.of(subject, CHECK, fault)
    if not {"source", "helo"} <= seen.keys():
        fault = faults.OUTBOUND_UNREPORTED(ip=result.ip, mx=mx, reply=result.reply)
        return Finding.remark(subject, CHECK, fault)
    return Finding(subject, CHECK, True, f"{result.ip}: mail leaves as {result.helo}")


def unread(address: ObservedAddress, reason: str, *, outdated: bool = False) -> Finding:
    """Return the finding that nothing is known about an address."""
    fault = faults.OUTBOUND_UNREAD(ip=address.ip, reason=reason)
    unknown = Finding.of(f"address/{address.name}", CHECK, fault, checked=False)
    return replace(unknown, outdated=outdated)
