"""Error codes of mail that leaves; they are in the table of verification."""

from __future__ import annotations

from controlplane.verification.faults import FAULTS
from kit.faults import Actor

OUTBOUND_CLOSED = FAULTS.code(
    "smtp.outbound_closed",
    message="{ip}: mail cannot leave: no SMTP connection to {mx} port 25: {reason}",
    remedy="let the provider open outbound port 25 (its filter, and `25/tcp` outbound in the "
    "firewall profile), and check the host's addresses and firewall: `ip address`, `nft list "
    "ruleset`",
    cause="The echo MX answers others, but not this address: port 25 is closed on the way, or the "
    "host does not have the address. Providers close it at purchase, or after a complaint.",
    example={"ip": "198.51.100.7", "mx": "echo.penguin.example", "reason": "timed out"},
    retryable=True,
    acts=Actor.OPERATOR,
)
OUTBOUND_DIFFERENT = FAULTS.code(
    "smtp.outbound_different",
    message="{ip}: {mx} sees the {part} {actual}, not {expected}",
    remedy="remove what changes it on the way: address translation on the host or at the "
    "provider, or a proxy for SMTP",
    cause="Mail from the address arrives with another address or HELO name, so SPF and the reverse "
    "name do not fit.",
    example={
        "ip": "198.51.100.7",
        "mx": "echo.penguin.example",
        "part": "address",
        "actual": "198.51.100.1",
        "expected": "198.51.100.7",
    },
    retryable=True,
    acts=Actor.OPERATOR,
)
OUTBOUND_INTERCEPTED = FAULTS.code(
    "smtp.outbound_intercepted",
    message="{ip}: {mx} answers others of ours with what it sees, and this address with: {reply}",
    remedy="let the provider remove what answers in its place; if {mx} does, admit the address",
    cause="A proxy for SMTP answers instead of the echo MX, or the echo MX has a block list.",
    example={"ip": "198.51.100.7", "mx": "echo.penguin.example", "reply": "554 mail is disabled"},
    retryable=True,
    acts=Actor.OPERATOR,
)
OUTBOUND_IN_CLEAR = FAULTS.code(
    "smtp.outbound_in_clear",
    message="{ip}: the connection to {mx} is not encrypted: {others}",
    remedy="remove what hides STARTTLS on the way, such as a proxy for SMTP; or let {mx} offer it",
    cause="The echo MX offers STARTTLS to none of ours, or it gets lost on the way from this one.",
    example={"ip": "198.51.100.7", "mx": "echo.penguin.example", "others": "that of others is"},
    retryable=True,
    acts=Actor.OPERATOR,
)
OUTBOUND_UNCLEAR = FAULTS.code(
    "smtp.outbound_unclear",
    message="{ip}: whether mail leaves is not known: {reason}",
    remedy="check that the echo MX {mx} runs, has an A record, admits everybody to port 25 with "
    "STARTTLS, and sees the addresses of its clients",
    cause="The dialogue with the echo MX failed, and it answers nobody else of ours; or it is "
    "behind something that hides the addresses of clients, such as a container's network.",
    example={
        "ip": "198.51.100.7",
        "mx": "echo.penguin.example",
        "reason": "no connection to port 25: timed out",
    },
    retryable=True,
    acts=Actor.OPERATOR,
)
OUTBOUND_UNREAD = FAULTS.code(
    "smtp.outbound_unread",
    message="{ip}: whether mail leaves is not known: {reason}",
    remedy="wait: the host is configured and asked again",
    cause="The host cannot be asked, or does not try outbound port 25 by the current settings.",
    example={"ip": "198.51.100.7", "reason": "the host was configured for another echo MX"},
    retryable=True,
    acts=Actor.NOBODY,
)
OUTBOUND_UNREPORTED = FAULTS.code(
    "smtp.outbound_unreported",
    message="{ip}: outbound port 25 is open, but {mx} does not report what it sees: {reply}",
    remedy="let it reply to RCPT with `source=`, `helo=` and `tls=`",
    cause="The echo MX is a mail server without the reply of docs/operations.md, or defers it.",
    example={
        "ip": "198.51.100.7",
        "mx": "mx.penguin.example",
        "reply": "550 5.1.1 no such user",
    },
    retryable=True,
    acts=Actor.OPERATOR,
)
OUTBOUND_UNSET = FAULTS.code(
    "smtp.outbound_unset",
    message="outbound port 25 is not tried: no echo MX is set",
    remedy="set PENGUIN_VERIFICATION__ECHO_MX to the name of a mail server that reports what it "
    "sees",
    cause="Without an echo MX nothing shows whether mail leaves the hosts.",
    acts=Actor.OPERATOR,
)
