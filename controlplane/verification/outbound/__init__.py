"""Judges whether mail leaves from each address, by what the echo MX answered to the host."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from ipaddress import IPv6Address, ip_address, ip_network
from typing import Literal

from pydantic import BaseModel, Field

from controlplane.reconciler.ports import Finding, ObservedAddress
from controlplane.verification.outbound import faults

CHECK = "smtp.outbound"
COMMAND = "/usr/local/sbin/penguin-outbound"
"""Prints a new report; with `--last SECONDS` the kept one, if it is so young and holds."""
WORDS = {
    "lookup": "no A record is found",
    "connect": "no connection to port 25",
    "tls": "TLS fails",
    "dialogue": "the dialogue broke off",
}
PRIVATE = [
    ip_network(network)
    for network in ("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "127.0.0.0/8", "::1/128")
]
_WORD = re.compile(r"\b(source|helo|tls)=(\S*)")
_PERMANENT = re.compile(r"[25]\d\d ")


class Result(BaseModel):
    """The dialogue of one address; `stage` is where it ended."""

    ip: str
    helo: str
    stage: Literal["lookup", "bind", "connect", "tls", "dialogue", "done"]
    reason: str = ""
    reply: str = ""
    """The last reply of the echo MX."""
    tls: str | None = None

    @property
    def answer(self) -> str:
        """Return the last thing that the other side said, or why it said nothing."""
        return self.reply or self.reason


class Config(BaseModel):
    """What the host was configured to try."""

    mx: str


class Report(BaseModel):
    """What the program of the role `outbound` prints."""

    config: Config
    results: list[Result]
    may_be_kept: bool = Field(alias="kept", default=False)
    """It was made before it was asked for."""


@dataclass(frozen=True)
class Answers:
    """To whom else the echo MX answers: then a failure is not its own."""

    anybody: bool = False
    encrypted: bool = False
    reported: bool = False

    @classmethod
    def of(cls, results: Sequence[Result]) -> Answers:
        """Return what the dialogues of other addresses show."""
        done = [result for result in results if result.stage == "done"]
        return cls(
            bool(done),
            any(result.tls for result in done),
            any(reported(result.reply) for result in done),
        )

    def __or__(self, other: Answers) -> Answers:
        return Answers(
            self.anybody or other.anybody,
            self.encrypted or other.encrypted,
            self.reported or other.reported,
        )


def reported(reply: str) -> dict[str, str]:
    """Return what a reply says of the client; empty where that is no report of an echo MX."""
    seen = {word: value.strip(".,;()[]<>").lower() for word, value in _WORD.findall(reply)}
    try:
        source = ip_address(seen.get("source", ""))
    except ValueError:
        return {}
    if isinstance(source, IPv6Address) and source.ipv4_mapped:  # by a socket of both families
        source = source.ipv4_mapped
    return {**seen, "source": str(source)} if "helo" in seen else {}


def judge(address: ObservedAddress, report: Report, mx: str, answers: Answers) -> Finding:
    """Return the finding about one address."""
    subject, ip = f"address/{address.name}", str(address.ip)
    own = [r for r in report.results if (r.ip, r.helo) == (address.ip, address.helo)]
    if report.config.mx != mx or not own:
        part = "another echo MX" if report.config.mx != mx else "other addresses"
        return unread(address, f"the host was configured for {part}", outdated=True)
    result = own[0]
    if answers.reported and not reported(result.reply):
        if _PERMANENT.match(result.answer):
            fault = faults.OUTBOUND_INTERCEPTED(ip=ip, mx=mx, reply=result.answer)
            return Finding.of(subject, CHECK, fault)
        if result.stage == "done":
            return _unclear(subject, result, mx, f"it answers for now: {result.reply}")
    if result.stage == "done":
        return _heard(subject, result, mx, answers)
    if result.stage == "bind" or (result.stage == "connect" and answers.anybody):
        closed = faults.OUTBOUND_CLOSED(ip=ip, mx=mx, reason=result.reason)
        return Finding.of(subject, CHECK, closed)
    if result.stage == "tls" and answers.encrypted:
        return _in_clear(subject, result, mx)
    return _unclear(subject, result, mx, f"{WORDS[result.stage]}: {result.reason}")


def _heard(subject: str, result: Result, mx: str, answers: Answers) -> Finding:
    """Compare what the echo MX reports; one that reports nothing shows that the port is open."""
    seen = reported(result.reply)
    if not seen:
        fault = faults.OUTBOUND_UNREPORTED(ip=result.ip, mx=mx, reply=result.reply)
        return Finding.remark(subject, CHECK, fault)
    if _is_its_own_network(seen["source"], result.ip):
        return _unclear(subject, result, mx, f"it sees {seen['source']}, of a network of its own")
    for part, word, expected in (("address", "source", result.ip), ("HELO", "helo", result.helo)):
        if seen[word] != expected:
            fault = faults.OUTBOUND_DIFFERENT(
                ip=result.ip, mx=mx, part=part, actual=seen[word] or "none", expected=expected
            )
            return Finding.of(subject, CHECK, fault)
    if seen.get("tls", result.tls) in (None, "", "none"):
        if answers.encrypted or result.tls:
            return _in_clear(subject, result, mx)
        others = "nor is any other of ours"
        return Finding.remark(
            subject, CHECK, faults.OUTBOUND_IN_CLEAR(ip=result.ip, mx=mx, others=others)
        )
    return Finding(subject, CHECK, True, f"{result.ip}: mail leaves as {result.helo}")


def _is_its_own_network(source: str, ip: str) -> bool:
    """Return whether the echo MX is behind something that hides addresses, such as a container's
    network: then what it sees says nothing of ours."""
    return any(
        ip_address(source) in network and ip_address(ip) not in network for network in PRIVATE
    )


def _in_clear(subject: str, result: Result, mx: str) -> Finding:
    fault = faults.OUTBOUND_IN_CLEAR(ip=result.ip, mx=mx, others="that of others is")
    return Finding.of(subject, CHECK, fault)


def _unclear(subject: str, result: Result, mx: str, reason: str) -> Finding:
    fault = faults.OUTBOUND_UNCLEAR(ip=result.ip, mx=mx, reason=reason)
    return Finding.of(subject, CHECK, fault, checked=False)


def unread(address: ObservedAddress, reason: str, *, outdated: bool = False) -> Finding:
    """Return the finding that nothing is known about an address."""
    fault = faults.OUTBOUND_UNREAD(ip=address.ip, reason=reason)
    unknown = Finding.of(f"address/{address.name}", CHECK, fault, checked=False)
    return replace(unknown, outdated=outdated)
