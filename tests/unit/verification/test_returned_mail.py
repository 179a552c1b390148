"""What comes back from an echo MX is read as its server wrote it, and judged by what it reports."""

from __future__ import annotations

from email import message_from_string

import pytest

from controlplane.reconciler.mail_ports import OwnMailbox
from controlplane.reconciler.ports import Finding
from controlplane.verification.roundtrip import faults
from controlplane.verification.roundtrip.judging import judged
from controlplane.verification.roundtrip.returned import parsed, returned
from kit.faults import Code

MX, HOST = "echo.penguin.example", "mx1.acme.example"
RSPAMD = """\
Authentication-Results: echo.penguin.example;
\tdkim=pass header.d=acme.example header.s=mu1 header.b=Xq0a;
\tdmarc=pass (policy=none) header.from=acme.example;
\tspf=pass (echo: domain of x designates 198.51.100.7 (first; of two)) smtp.mailfrom=x@acme.example
"""
MILTERS = """\
Authentication-Results: echo.penguin.example; dmarc=pass (p=none dis=none) header.from=acme.example
Authentication-Results: echo.penguin.example; spf=pass smtp.mailfrom=acme.example
Authentication-Results: echo.penguin.example;
\tdkim=pass (2048-bit key; unprotected) header.d=acme.example header.i=@acme.example
\theader.a=rsa-sha256 header.s=mu1 header.b=Xq0a
"""
ORIGINAL = """\
Received: from mx1.acme.example (mx1.acme.example [198.51.100.7]) by echo.penguin.example
From: penguinmails@acme.example
Subject: penguin0123
"""
NOTIFICATION = """\
From: MAILER-DAEMON@{reporter}
To: penguinmails@acme.example
Subject: Undelivered Mail Returned to Sender
Auto-Submitted: auto-replied
MIME-Version: 1.0
Content-Type: multipart/report; report-type=delivery-status; boundary="b"

--b
Content-Description: Notification

I'm sorry to have to inform you that your message could not be delivered.

--b
Content-Description: Delivery report
Content-Type: message/delivery-status

Reporting-MTA: dns; {reporter}
X-Postfix-Sender: rfc822; penguinmails@acme.example

Final-Recipient: rfc822; verify@echo.penguin.example
Action: failed
Status: {status}
Diagnostic-Code: {diagnostic}

--b
Content-Description: Undelivered Message
Content-Type: {type}

{original}
--b--
"""


def mailbox() -> OwnMailbox:
    address = "penguinmails@acme.example"
    return OwnMailbox("acme.example", address, "token", "198.51.100.7", HOST, None, "mu1")


def judge(
    results: str,
    *,
    reporter: str = MX,
    status: str = "5.1.1",
    diagnostic: str = "x-unix; user unknown",
    type_: str = "message/rfc822",
) -> Finding:
    """Judge a notification whose original has these headers."""
    text = NOTIFICATION.format(
        reporter=reporter,
        status=status,
        diagnostic=diagnostic,
        type=type_,
        original=f"{results}{ORIGINAL}\nA few words.\n",
    )
    back = returned(message_from_string(text), HOST)
    return judged(mailbox(), MX, f"verify@{MX}", back, "domain/acme.example")


@pytest.mark.parametrize("results", [RSPAMD, MILTERS])
@pytest.mark.parametrize("type_", ["message/rfc822", "text/rfc822-headers"])
def test_mail_that_passes_everything_is_right(results: str, type_: str) -> None:
    found = judge(results, type_=type_)
    assert (found.ok, found.code) == (True, None)
    assert "dkim=pass, spf=pass, dmarc=pass, key mu1" in found.message


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("dkim=pass", "dkim=fail", "dkim=fail header.d=acme.example header.s=mu1"),
        ("header.s=mu1", "header.s=pm1", "dkim=pass header.d=acme.example header.s=pm1"),
        ("header.d=acme", "header.d=other", "dkim=pass header.d=other.example header.s=mu1"),
        ("spf=pass", "spf=softfail", "spf=softfail smtp.mailfrom=x@acme.example"),
        ("dmarc=pass", "dmarc=fail", "dmarc=fail header.from=acme.example"),
    ],
)
def test_what_does_not_pass_is_named(old: str, new: str, said: str) -> None:
    found = judge(RSPAMD.replace(old, new))
    assert (found.ok, found.code) == (False, faults.NOT_AUTHENTICATED)
    method = said.partition("=")[0]
    assert f"sees mail of acme.example with {said}, not {method}=pass" in found.message


@pytest.mark.parametrize(
    ("results", "given", "ok", "code", "said"),
    [
        (RSPAMD.replace("dmarc=", "x-dmarc="), {}, True, faults.UNREPORTED, "no dmarc"),
        ("", {}, True, faults.UNREPORTED, "what it returns has no results"),
        (
            "",
            {"reporter": HOST, "diagnostic": "smtp; 550 5.1.1 no such user"},
            True,
            faults.UNREPORTED,
            ": 550 5.1.1 no such user",
        ),
        (
            "",
            {"reporter": HOST, "status": "5.7.1", "diagnostic": "smtp; 550 5.7.1 DMARC policy"},
            False,
            faults.REJECTED,
            ": 550 5.7.1 DMARC policy",
        ),
    ],
)
def test_what_an_echo_mx_does_not_report_is_a_remark_and_what_it_refuses_is_wrong(
    results: str, given: dict[str, str], ok: bool, code: Code, said: str
) -> None:
    found = judge(results, **given)
    assert (found.ok, found.code) == (ok, code)
    assert said in found.message


def test_what_the_host_itself_has_verified_says_nothing() -> None:
    own = RSPAMD.replace("echo.penguin.example;", f"{HOST};", 1)
    assert judge(own).code is faults.UNREPORTED


def test_comments_and_quotes_are_understood() -> None:
    text = 'mx.example 1; spf=Pass (a (b; c) "d") smtp.mailfrom="x@acme.example"; none'
    [result] = parsed(text, HOST)
    assert (result.method, result.value) == ("spf", "pass")
    assert result.properties == {"smtp.mailfrom": "x@acme.example"}
    assert list(parsed("mx.example; none", HOST)) == []
