"""Cloudflare's refusals: number, HTTP status and message.

Numbers are compared by clients, words are not. Where Cloudflare documents no number, the comment
says that one was chosen.
"""

from __future__ import annotations

Chain = tuple[tuple[int, str], ...]


class Refusal(Exception):
    """The API refuses a request, with a code of its own and an HTTP status."""

    def __init__(
        self, code: int, message: str, status: int = 400, *, more: Chain = (), chain: Chain = ()
    ) -> None:
        """`more` are further errors of the answer, `chain` the causes inside of the first."""
        super().__init__(message)
        self.code = code
        self.status = status
        self.more = more
        self.chain = chain
        self.headers: dict[str, str] = {}


def record_missing() -> Refusal:
    """No record with that id."""
    return Refusal(81044, "Record does not exist.", 404)


def zone_missing() -> Refusal:
    """No zone ever had that id."""
    return Refusal(1001, "Invalid zone identifier", 404)


def out_of_reach() -> Refusal:
    """The zone is another's, or was removed: Cloudflare does not say which."""
    return Refusal(9109, "Unauthorized to access requested resource", 403)


def not_permitted() -> Refusal:
    """The token lacks the permission."""
    return Refusal(10000, "Authentication error", 403)


def no_route(path: str) -> Refusal:
    """The path is unknown, or an identifier in it is malformed."""
    message = f"Could not route to {path}, perhaps your object identifier is invalid?"
    return Refusal(7003, message, more=((7000, "No route for that URI"),))


def bad_body() -> Refusal:
    """The body is no JSON, or of another kind."""
    return Refusal(6007, "Malformed JSON in request body")


def wrong_kind(field: str) -> Refusal:
    """The value of a field is of another kind; the code is chosen."""
    return Refusal(6007, f"Invalid value of the field {field}")


def not_registered(name: str) -> Refusal:
    """The name is a public suffix, or none that could be registered."""
    message = (
        f"We were unable to identify {name} as a registered domain. Please ensure you are "
        "providing the root domain and not any subdomains (e.g., example.com, not "
        "subdomain.example.com)"
    )
    return Refusal(1099, message)


def subdomain() -> Refusal:
    """Only the plan Enterprise takes a subdomain as a zone."""
    message = (
        "Please ensure you are providing the root domain and not any subdomains (e.g., "
        "example.com, not subdomain.example.com)"
    )
    return Refusal(1116, message)


def bad_file(reason: str) -> Refusal:
    """A zone file cannot be read, or is too large; the code is chosen."""
    return Refusal(9208, f"The zone file cannot be imported: {reason}")


def bad_query(name: str) -> Refusal:
    """A parameter of the query is not valid; the code is chosen."""
    return Refusal(1004, f"Invalid value of the query parameter {name}")


def identical() -> Refusal:
    """Same name, type and content."""
    return Refusal(81058, "An identical record already exists.")


def read_only() -> Refusal:
    """Cloudflare's own record; the code is chosen."""
    return Refusal(1046, "This record is managed by Email Routing and cannot be changed.")


def type_fixed() -> Refusal:
    """The type of a record cannot be changed since 2026-06-30; the code is chosen."""
    return Refusal(9020, "The type of a DNS record cannot be changed.")


def internal() -> Refusal:
    """Cloudflare itself failed."""
    return Refusal(10000, "Internal error", 500)
