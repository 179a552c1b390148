"""Why a public authority has not issued a certificate."""

from __future__ import annotations

from kit.faults import Actor, Table

FAULTS = Table("certificates", "Certificates of public authorities")

REFUSED = FAULTS.code(
    "certificate.refused",
    message="{authority} issues no certificate for {name}: {reason}",
    remedy="wait: it is tried again; if it persists, look up what the authority says",
    cause="The authority refuses the name, or could not verify that we control it. The host shows "
    "the certificate of the tenant's own authority instead.",
    example={
        "authority": "acme-v02.api.letsencrypt.org",
        "name": "mx1.acme.example",
        "reason": "caa: CAA record for acme.example prevents issuance",
    },
    retryable=True,
    acts=Actor.OPERATOR,
)
RATE_LIMITED = FAULTS.code(
    "certificate.rate_limited",
    message="{authority} takes no order for {name} before {until}: {reason}",
    remedy="wait, or set a second authority",
    cause="Authorities limit how many certificates they issue for a registered domain in a week, "
    "and how many orders of an account they take; what is over the limit waits.",
    example={
        "authority": "acme-v02.api.letsencrypt.org",
        "name": "mx1.acme.example",
        "until": "2026-12-01 10:00 UTC",
        "reason": "45 certificates of acme.example were ordered in a week",
    },
    retryable=True,
    acts=Actor.NOBODY,
)
AUTHORITY_UNREACHABLE = FAULTS.code(
    "certificate.authority_unreachable",
    message="{authority} has no answer for {name}: {reason}",
    remedy="wait: it is tried again",
    cause="The authority cannot be reached, or answers with an error of its own.",
    example={
        "authority": "acme-v02.api.letsencrypt.org",
        "name": "mx1.acme.example",
        "reason": "connection refused",
    },
    retryable=True,
    acts=Actor.NOBODY,
)
UNFINISHED = FAULTS.code(
    "certificate.unfinished",
    message="the order of a certificate for {name} is not finished: {reason}",
    remedy="wait: the same order is continued",
    cause="Name servers do not show the answer to the authority's challenge yet, or the authority "
    "takes its time.",
    example={"name": "mx1.acme.example", "reason": "the authority verifies the name"},
    retryable=True,
    acts=Actor.NOBODY,
)
RENEWAL_FAILING = FAULTS.code(
    "certificate.renewal_failing",
    message="the certificate of {name} is valid until {until}, but is not renewed: {reason}",
    remedy="wait: it is tried again; if it persists, look up what the authority says",
    cause="The renewal of a certificate fails; the one in use is shown as long as it is valid.",
    example={
        "name": "mx1.acme.example",
        "until": "2026-12-01 10:00 UTC",
        "reason": "acme-v02.api.letsencrypt.org issues no certificate for mx1.acme.example: "
        "caa: CAA record for acme.example prevents issuance",
    },
    retryable=True,
    acts=Actor.OPERATOR,
)
EXPIRED = FAULTS.code(
    "certificate.expired",
    message="the certificate of {name} has expired: {reason}",
    remedy="wait: it is tried again; if it persists, look up what the authority says",
    cause="Its renewal failed for a third of its life. The host shows the certificate of the "
    "tenant's own authority instead.",
    example={
        "name": "mx1.acme.example",
        "reason": "acme-v02.api.letsencrypt.org has no answer for mx1.acme.example: connection "
        "refused",
    },
    retryable=True,
    acts=Actor.OPERATOR,
)
NO_AUTHORITY = FAULTS.code(
    "certificate.no_authority",
    message="mail clients do not accept the certificate of {name}: no public authority is set",
    remedy="set `PENGUIN_CERTIFICATES__FIRST__DIRECTORY`",
    cause="People's mail clients accept certificates of public authorities, and the host shows "
    "that of the tenant's own.",
    example={"name": "mx1.acme.example"},
    retryable=True,
    acts=Actor.OPERATOR,
)
