"""The records of one tenant in one Cloudflare zone."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import pulumi

from blueprint.document import Record, RecordType
from stacks import cloudflare

ADOPTED_AS_IS = ("name", "content", "data", "priority", "ttl", "proxied", "settings", "tags")
"""Properties that an import must not compare: the engine refuses a record that differs."""


class ZoneRecords(pulumi.ComponentResource):
    """Each record is a child, named by its key."""

    def __init__(
        self,
        name: str,
        zone_id: str,
        imports: Mapping[str, str],
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        """`imports`: record key to `<zone id>/<record id>` of a record that is to be adopted."""
        super().__init__("penguin:index:ZoneRecords", name, {}, opts)
        self._zone_id = zone_id
        self._imports = imports
        self.register_outputs({})

    def declare(
        self, record: Record, content: pulumi.Input[str], after: Sequence[pulumi.Resource] = ()
    ) -> cloudflare.DnsRecord:
        """Declare a record, to be written after others."""
        return cloudflare.DnsRecord(
            record.key,
            zone_id=self._zone_id,
            name=record.name,
            type=record.type,
            content=None if record.type is RecordType.SRV else _quoted(record, content),
            data=service_of(record),
            priority=record.priority,
            ttl=record.ttl,
            proxied=False,
            comment=record.comment,
            opts=self._options(self._imports.get(record.key), after),
        )

    def _options(
        self, import_id: str | None, after: Sequence[pulumi.Resource]
    ) -> pulumi.ResourceOptions:
        """Adopt a record unchanged; the next run updates it to the blueprint."""
        if import_id is None:
            return pulumi.ResourceOptions(parent=self, depends_on=[*after])
        return pulumi.ResourceOptions(
            parent=self, import_=import_id, ignore_changes=[*ADOPTED_AS_IS]
        )


def _quoted(record: Record, content: pulumi.Input[str]) -> pulumi.Input[str]:
    if record.type is not RecordType.TXT:
        return content
    return pulumi.Output.from_input(content).apply(strings)


def service_of(record: Record) -> Mapping[str, int | str] | None:
    """Return the fields of an SRV record: Cloudflare takes no text of it. None for other types."""
    if record.type is not RecordType.SRV or record.content is None:
        return None
    priority, weight, port, target = record.content.split()
    return {
        "priority": int(priority),
        "weight": int(weight),
        "port": int(port),
        "target": target,
    }


def strings(text: str) -> str:
    """Quote the content of a TXT record: strings of at most 255 octets (RFC 1035)."""
    chunks = (text[start : start + 255] for start in range(0, len(text), 255))
    return " ".join(f'"{chunk}"' for chunk in chunks)
