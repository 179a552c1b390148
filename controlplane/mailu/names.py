"""Names as Mailu has them: in Unicode when it shows them, looked up in any case."""

from __future__ import annotations

from blueprint.mail_address import domain_of, is_mail_address
from controlplane.mailu.faults import NAME


def ascii_domain(name: str) -> str:
    """Return a domain in Punycode and small letters; as it is where it has no such form.

    The codec is the one by which Mailu makes the other form (IDNA 2003).
    """
    try:
        return name.lower().encode("idna").decode()
    except UnicodeError:
        return name.lower()


def ascii_address(address: str) -> str:
    """Return an address with its domain in Punycode, in small letters."""
    local, at, domain = address.lower().rpartition("@")
    return f"{local}{at}{ascii_domain(domain)}"


def require_domain(name: str) -> None:
    """Refuse a domain that Mailu cannot show, or not under the same name."""
    if name != name.lower() or not is_mail_address(f"x@{name}"):
        raise NAME(name=name, reason="it is no full domain name in Punycode and small letters")
    try:
        shown = name.encode().decode("idna")
    except UnicodeError:
        raise NAME(name=name, reason="its Punycode is not that of IDNA 2003") from None
    if ascii_domain(shown) != name:
        raise NAME(name=name, reason="its Punycode is not that of IDNA 2003")


def require_address(address: str) -> None:
    """Refuse an address that Mailu accepts and then never finds, or not under the same name."""
    if not is_mail_address(address):
        raise NAME(name=address, reason="it is no mail address")
    local = address.rpartition("@")[0]
    if local != local.lower():
        raise NAME(name=address, reason="it has capitals")
    if "/" in local:
        raise NAME(name=address, reason="it has a slash before the @")
    require_domain(domain_of(address))


def catch_all(domain: str) -> str:
    """Return the address of the alias that takes what no other address of a domain takes."""
    return f"%@{domain}"
