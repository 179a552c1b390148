"""A zone's records as a BIND zone file (RFC 1035), with comments and proxying behind `;`."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from itertools import groupby
from typing import Any

import dns.exception
import dns.name
import dns.rdata
import dns.rdataclass
import dns.rdatatype
import dns.rrset
import dns.tokenizer
import dns.zonefile

from lab.cloudflare import data as by_data
from lab.cloudflare.errors import bad_file
from lab.cloudflare.limits import FILE_SIZE
from lab.cloudflare.records import (
    AUTOMATIC_TTL,
    HOSTS,
    PROXIABLE,
    plain_content,
    quoted,
    split_text,
)

PROXIED = "cf_tags=cf-proxied:"
"""Stands behind a record's comment."""
NS_TTL = 86400


def exported(zone: str, servers: Sequence[str], records: Iterable[Mapping[str, Any]]) -> str:
    """Return the file."""
    lines = [
        f";; Domain:     {zone}.",
        ";; SOA Record",
        f"{zone}\t3600\tIN\tSOA\t{servers[0]}. dns.cloudflare.com. 1 10000 2400 604800 3600",
        *("", ";; NS Records"),
        *(f"{zone}.\t{NS_TTL}\tIN\tNS\t{server}." for server in servers),
    ]
    in_order = sorted(records, key=lambda record: (record["type"], record["name"]))
    for kind, group in groupby(in_order, key=lambda record: record["type"]):
        lines += ["", f";; {kind} Records", *map(_line, group)]
    return "\n".join(lines) + "\n"


def parsed(text: str, zone: str, *, proxied: bool) -> list[dict[str, Any]]:
    """Return the bodies of a file's records, without SOA and the zone's own NS; raises Refusal.

    `proxied` is for records that can be, where the file does not say.
    """
    if len(text.encode()) > FILE_SIZE:
        raise bad_file(f"it is larger than {FILE_SIZE} bytes")
    apex = dns.name.from_text(zone)
    return [
        _body(rrset, rdata, proxied=proxied)
        for rrset in _rrsets(text, zone)
        if rrset.rdtype != dns.rdatatype.SOA
        and (rrset.rdtype, rrset.name) != (dns.rdatatype.NS, apex)
        for rdata in rrset
    ]


def _body(rrset: dns.rrset.RRset, rdata: dns.rdata.Rdata, *, proxied: bool) -> dict[str, Any]:
    kind = dns.rdatatype.to_text(rrset.rdtype)
    body = {
        "name": rrset.name.to_text(omit_final_dot=True),
        "type": kind,
        "ttl": rrset.ttl,
        **_fields(kind, rdata.to_text(chunksize=0)),
    }
    remark, _, said = (rdata.rdcomment or "").partition(PROXIED)
    if kind in PROXIABLE:
        body["proxied"] = said.strip() == "true" if said else proxied
    return {**body, "comment": remark.strip() or None}


def _rrsets(text: str, zone: str) -> Sequence[dns.rrset.RRset]:
    # The file that Cloudflare exports has the name of the SOA without final dot.
    text = re.sub(rf"(?im)^{re.escape(zone)}(?=\s)", f"{zone}.", text)
    manager = dns.zonefile.RRSetsReaderManager(dns.name.from_text(zone))
    try:
        with manager.writer(True) as writer:  # type: ignore[no-untyped-call]  # of dnspython
            dns.zonefile.Reader(
                dns.tokenizer.Tokenizer(text),
                dns.rdataclass.IN,
                writer,
                allow_directives=("$ORIGIN", "$TTL"),
                default_ttl=AUTOMATIC_TTL,
            ).read()
    except (dns.exception.DNSException, ValueError) as error:
        raise bad_file(str(error)) from None
    return manager.rrsets


def _line(record: Mapping[str, Any]) -> str:
    ttl, kind = record["ttl"], record["type"]
    remarks = [record["comment"]] if record["comment"] else []
    if kind in PROXIABLE:
        remarks.append(f"{PROXIED}{str(record['proxied']).lower()}")
    remark = f" ; {' '.join(remarks)}" if remarks else ""
    return f"{record['name']}.\t{ttl}\tIN\t{kind}\t{_content(record)}{remark}"


def _content(record: Mapping[str, Any]) -> str:
    content = plain_content(record)
    if record["type"] == "TXT":
        return quoted(split_text(content))
    if record["type"] in HOSTS or record["type"] == "SRV":
        return content if content.endswith(".") else f"{content}."
    return content


def _fields(kind: str, text: str) -> dict[str, Any]:
    """Return what a body has of a record's content."""
    if kind in by_data.FORMS:
        return by_data.read(kind, text)
    if kind == "MX":
        priority, content = text.split()
        return {"priority": int(priority), "content": content}
    return {"content": text}
