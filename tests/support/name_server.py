"""A name server for containers without a lab: every name below `test` has the client's address.

It runs inside the image, with what that has: `python3 -m tests.support.name_server`.
"""

from __future__ import annotations

import socket

import dns.flags
import dns.message
import dns.name
import dns.rcode
import dns.rdatatype
import dns.reversename
import dns.rrset

CLIENT = "203.0.113.9"
NAME = "client.test."
SIGNED = dns.name.from_text("example.org.")
OURS = dns.name.from_text("test.")


def answered(query: dns.message.Message) -> dns.message.Message:
    """Return the answer; it says that it was validated where that is asked."""
    answer = dns.message.make_response(query, recursion_available=True)
    answer.flags |= query.flags & dns.flags.AD
    [question] = query.question
    if question.name == SIGNED or question.name.is_subdomain(OURS):
        if question.rdtype == dns.rdatatype.A:
            answer.answer.append(dns.rrset.from_text(question.name, 60, "IN", "A", CLIENT))
    elif question.name == dns.reversename.from_address(CLIENT):
        answer.answer.append(dns.rrset.from_text(question.name, 60, "IN", "PTR", NAME))
    else:
        answer.set_rcode(dns.rcode.NXDOMAIN)
    return answer


def main() -> None:
    """Answer for ever."""
    listener = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    listener.bind(("0.0.0.0", 53))  # noqa: S104 - in a namespace of its own
    while True:
        data, peer = listener.recvfrom(4096)
        listener.sendto(answered(dns.message.from_wire(data)).to_wire(), peer)


if __name__ == "__main__":
    main()
