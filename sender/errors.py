"""What can go wrong in the sender, for callers: stable code, message, remedy."""

from __future__ import annotations


class SenderError(Exception):
    """Base of the sender's errors."""

    code = "sender.failed"
    remedy = "See the log of the sender."
    http_status = 500


class IdempotencyKeyReused(SenderError):
    """The idempotency key was used before, for a message that says something else."""

    code = "queue.idempotency_key_reused"
    remedy = "Use a new key for a new message; repeat the same message to repeat a request."
    http_status = 409


class MessageNotFound(SenderError):
    """No message with this id, or it belongs to another tenant."""

    code = "queue.message_not_found"
    remedy = "Give the id that `penguin send` printed, or the Message-ID header."
    http_status = 404


class ComposeRefused(SenderError):
    """The message cannot be written as a mail."""

    code = "compose.refused"
    remedy = "Remove line breaks and control characters from addresses, names and subject."
    http_status = 422


class TokenInvalid(SenderError):
    """The token was not made here, or was changed on its way."""

    code = "token.invalid"
    remedy = "Follow the link exactly as it stands in the message."
    http_status = 404
