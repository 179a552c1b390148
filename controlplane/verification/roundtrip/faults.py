"""Error codes of mail that is tried through our mailbox; in the table of verification."""

from __future__ import annotations

from controlplane.verification.faults import FAULTS
from kit.faults import Actor

CLOSED = FAULTS.code(
    "roundtrip.closed",
    message="{port}: no TLS connection as {name}: {reason}",
    remedy="check the containers of the host (`docker compose ps` in /mailu), its firewall and its "
    "provider's, and its certificate",
    cause="The port by which people read or send mail is closed, or its certificate is not the "
    "host's, has expired, or is of another authority.",
    example={
        "port": "198.51.100.7 port 993",
        "name": "mx1.acme.example",
        "reason": "certificate has expired",
    },
    retryable=True,
    acts=Actor.OPERATOR,
)
LOGIN_REFUSED = FAULTS.code(
    "roundtrip.login_refused",
    message="{port}: the login of {address} is refused: {reason}",
    remedy="wait: a token that Mailu has lost is made again; if it persists, see the log of "
    "`front` on the host",
    cause="Mailu does not know the token of our mailbox, or its logins fail.",
    example={
        "port": "198.51.100.7 port 993",
        "address": "penguinmails@acme.example",
        "reason": "535 5.7.8 Error: authentication failed",
    },
    retryable=True,
    acts=Actor.OPERATOR,
)
REFUSED = FAULTS.code(
    "roundtrip.refused",
    message="{port}: a mail {direction} {address} is refused: {reason}",
    remedy="see the logs of `front`, `smtp` and `antispam` on the host",
    cause="Mailu refuses mail that it has to take: from outside, or of a mailbox with a login.",
    example={
        "port": "198.51.100.7 port 25",
        "direction": "to",
        "address": "penguinmails@acme.example",
        "reason": "554 5.7.1 spam",
    },
    retryable=True,
    acts=Actor.OPERATOR,
)
NOT_ARRIVED = FAULTS.code(
    "roundtrip.not_arrived",
    message="{port}: took a mail to {address}, which was not in its inbox {seconds:g} s later",
    remedy="see the queue of the host (`docker compose exec smtp postqueue -p` in /mailu) and the "
    "log of `imap`",
    cause="Mail waits in the queue of the host, or is delivered somewhere else.",
    example={
        "port": "198.51.100.7 port 25",
        "address": "penguinmails@acme.example",
        "seconds": 60,
    },
    retryable=True,
    acts=Actor.OPERATOR,
)
NOT_RETURNED = FAULTS.code(
    "roundtrip.not_returned",
    message="a mail from {address} to {recipient} did not come back within {seconds:g} s",
    remedy="check that the echo MX returns mail to that address, reaches port 25 of the host and "
    "is not refused there; see the queue of the host, too",
    cause="The mail did not leave the host or did not reach the echo MX, or the echo MX does not "
    "return it, or what it returns does not arrive.",
    example={
        "address": "penguinmails@acme.example",
        "recipient": "verify@echo.penguin.example",
        "seconds": 60,
    },
    retryable=True,
    acts=Actor.OPERATOR,
)
REJECTED = FAULTS.code(
    "roundtrip.rejected",
    message="a mail from {address} to {recipient} is rejected: {reason}",
    remedy="look up what the reply means; if the echo MX is not to reject it, admit {address} "
    "there",
    cause="The echo MX refuses the mail of the host, for example since DMARC fails.",
    example={
        "address": "penguinmails@acme.example",
        "recipient": "verify@echo.penguin.example",
        "reason": "550 5.7.1 DMARC policy",
    },
    retryable=True,
    acts=Actor.OPERATOR,
)
NOT_AUTHENTICATED = FAULTS.code(
    "roundtrip.not_authenticated",
    message="{mx} sees mail of {domain} with {actual}, not {expected}",
    remedy="compare the records of {domain} with what signs and sends: the key {selector}, and the "
    "first address of the host in SPF",
    cause="Mail of people leaves without a signature that fits their domain, or from an address "
    "that SPF does not have.",
    example={
        "mx": "echo.penguin.example",
        "domain": "acme.example",
        "actual": "dkim=none",
        "expected": "dkim=pass header.d=acme.example header.s=mu1",
        "selector": "mu1",
    },
    retryable=True,
    acts=Actor.OPERATOR,
)
UNREPORTED = FAULTS.code(
    "roundtrip.unreported",
    message="mail of {domain} leaves, but {mx} does not say by what it is authenticated: {reason}",
    remedy="let {mx} verify DKIM, SPF and DMARC, and return mail to verify@{mx} with its header "
    "Authentication-Results",
    cause="The echo MX has no address that returns mail, or verifies only a part.",
    example={
        "domain": "acme.example",
        "mx": "echo.penguin.example",
        "reason": "550 5.1.1 no such user",
    },
    retryable=True,
    acts=Actor.OPERATOR,
)
UNTRIED = FAULTS.code(
    "roundtrip.untried",
    message="whether mail of {domain} leaves and is authenticated is not tried: no echo MX is set",
    remedy="set PENGUIN_VERIFICATION__ECHO_MX to the name of a mail server that returns mail",
    cause="Without an echo MX nothing shows how mail of people arrives elsewhere.",
    example={"domain": "acme.example"},
    acts=Actor.OPERATOR,
)
UNCLEAR = FAULTS.code(
    "roundtrip.unclear",
    message="{port}: no clear answer: {reason}",
    remedy="wait: it is tried again",
    cause="The host responded with a temporary error, the connection was lost, or port 25 of the "
    "host cannot be reached from the control plane.",
    example={"port": "198.51.100.7 port 25", "reason": "450 4.7.1 try again later"},
    retryable=True,
    acts=Actor.NOBODY,
)
