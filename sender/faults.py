"""What the sender refuses."""

from __future__ import annotations

from kit.faults import Table

FAULTS = Table("sender", "Messages")

MESSAGE_NOT_FOUND = FAULTS.code(
    "message.not_found",
    message="there is no message {id}",
    remedy="list them with `penguin get messages`",
    cause="No message has this id or Message-ID, or the key may not see it.",
    example={"id": "0199b1c2-0000-7000-8000-000000000001"},
    status=404,
)
IDEMPOTENCY_MISMATCH = FAULTS.code(
    "idempotency.mismatch",
    message="this Idempotency-Key came with another body before",
    remedy="use a new key for a new request",
    cause="A key repeats one request; its body must stay the same for a day.",
    status=409,
)
NO_BODY = FAULTS.code(
    "message.no_body",
    message="the message has neither text nor html",
    remedy="give `text`, `html` or both",
    cause="A message needs at least one body.",
    status=422,
)
TOO_LARGE = FAULTS.code(
    "message.too_large",
    message="the parts of the message have {size} octets together, more than {limit}",
    remedy="send large files as links",
    cause="Text, HTML and attachments in base64 must fit into what mail servers take.",
    example={"size": 15_000_001, "limit": 15_000_000},
    status=422,
)
PICTURE_WITHOUT_HTML = FAULTS.code(
    "message.picture_without_html",
    message="the picture {content_id} is shown by no HTML",
    remedy="give `html`, or leave `content_id` out to attach the picture as a file",
    cause="A content id is what `cid:` in the HTML refers to.",
    example={"content_id": "logo@acme.example"},
    status=422,
)
SAME_PICTURE = FAULTS.code(
    "message.same_picture",
    message="two attachments have the content id {content_id}",
    remedy="give each its own",
    cause="The HTML could show only one of them.",
    example={"content_id": "logo@acme.example"},
    status=422,
)
FOREIGN_DOMAIN = FAULTS.code(
    "message.foreign_domain",
    message="{domain} is not a domain of the tenant",
    remedy="send from one of: {domains}",
    cause="The domain of From is not in spec.domains, so its mail could not be signed.",
    example={"domain": "globex.example", "domains": "acme.example"},
    status=422,
)
UNDECLARED_MAILBOX = FAULTS.code(
    "message.undeclared_mailbox",
    message="{address} is no mailbox of the tenant",
    remedy="declare it in spec.mailboxes, as a mailbox or an alias of one, or a catch_all of its "
    "domain; declared: {mailboxes}",
    cause="From must be an address that gets the answer: a declared mailbox, an alias of one, a "
    "sub-address of these (sales+x@), or any address of a domain with a catch_all.",
    example={"address": "offers@acme.example", "mailboxes": "sales@acme.example"},
    status=422,
)
POSTAL_ADDRESS_MISSING = FAULTS.code(
    "message.no_postal_address",
    message="the tenant has no postal address, which campaign mail must show",
    remedy="set spec.sending.postal_address in the tenant file, and apply it",
    cause="All mail is campaign mail unless it says `transactional: true`, which needs a key with "
    "the scope messages:transactional. Laws such as CAN-SPAM require the address.",
    status=409,
)
EXPIRES_EARLY = FAULTS.code(
    "message.expires_early",
    message="the message would expire before it may be sent",
    remedy="give an `expires_at` that is in the future, and after `run_at`; or leave it out",
    cause="What has expired is never sent. The time is compared with that of the database.",
    status=422,
)
EXPIRES_LATE = FAULTS.code(
    "message.expires_late",
    message="the message would expire more than 30 days after it may be sent",
    remedy="give an earlier `expires_at`, or leave it out, which means 30 days",
    cause="Mail that waits is kept for 30 days at most.",
    status=422,
)
RUNS_LATE = FAULTS.code(
    "message.runs_late",
    message="the message would wait more than 30 days until it may be sent",
    remedy="give a `run_at` within 30 days; queue what is later when its time comes nearer",
    cause="Mail is queued for 30 days ahead at most. The time is compared with that of the "
    "database.",
    status=422,
)
NOT_WAITING = FAULTS.code(
    "message.not_waiting",
    message="the message {id} is not waiting; its state is {state}",
    remedy="see `penguin explain {id}`; while it is being handed over, try again in a moment",
    cause="Only what waits can be cancelled; what a sender has in hand may leave at any moment.",
    example={"id": "0199b1c2-0000-7000-8000-000000000001", "state": "accepted"},
    status=409,
)
NO_FILTER = FAULTS.code(
    "message.no_filter",
    message="nothing says which messages are meant",
    remedy="give at least one of state, reason, to, from, campaign, since and until",
    cause="Messages are cancelled together only by what they have in common.",
    status=422,
)
CURSOR_UNKNOWN = FAULTS.code(
    "events.cursor_unknown",
    message="the cursor {cursor} is from another database",
    remedy="go on by `since`, with the time of the last event that you have",
    cause="The database was restored: what the cursor counts by has begun again.",
    example={"cursor": "7310-42"},
    status=409,
)
COMPOSE_REFUSED = FAULTS.code(
    "compose.refused",
    message="the message cannot be written: {reason}",
    remedy="remove line breaks and control characters from addresses, names and subject",
    cause="A value of the message would break out of its header, or cannot be encoded.",
    example={"reason": "a header holds a line break"},
)
MAILS_PER_MONTH = FAULTS.code(
    "quota.mails_per_month",
    message="the plan allows {allowed} mails a month, and {queued} are queued in {month}",
    remedy="wait for the next month (UTC), or choose a larger plan",
    cause="The mails that a tenant queues in a calendar month are limited by its plan.",
    example={"allowed": 10_000, "queued": 10_000, "month": "2026-11"},
    status=409,
)
MAILS_QUEUED = FAULTS.code(
    "quota.mails_queued",
    message="{waiting} mails of the tenant are queued, and at most {most} may be",
    remedy="wait until some are sent, or choose a larger plan",
    cause="Mail of a tenant that waits to be sent is limited, whatever it waits for.",
    example={"waiting": 100_000, "most": 100_000},
    status=409,
    retryable=True,
)
NOT_JUSTIFIED = FAULTS.code(
    "suppression.not_justified",
    message="the recipient {reason}: more mail to this address needs a justification",
    remedy="add `justification` (`--justification` on the command line); it is recorded",
    cause="A suppression that the recipient asked for is not removed without a recorded reason.",
    example={"reason": "unsubscribed"},
    status=409,
)

ACROSS_FIELDS = (
    NO_BODY,
    TOO_LARGE,
    PICTURE_WITHOUT_HTML,
    SAME_PICTURE,
    FOREIGN_DOMAIN,
    UNDECLARED_MAILBOX,
    EXPIRES_EARLY,
    EXPIRES_LATE,
    RUNS_LATE,
    NO_FILTER,
)
"""Rules that need more than one value, or the tenant's document: not in the JSON Schema."""
