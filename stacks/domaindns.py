"""The records of one tenant in one Cloudflare zone."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import pulumi

from blueprint.document import Record, RecordType
from stacks import cloudflare

ADOPTED_AS_IS = ("name", "content", "priority", "ttl", "proxied", "settings", "tags")
"""Properties that an import must not compare: the engine refuses a record that differs."""


@dataclass
class ZoneRecordsArgs:
    """Records of one zone, and the IPs of the addresses that they name."""

    zone_id: str
    records: Sequence[Record]
    addresses: Mapping[str, pulumi.Output[str]]
    imports: Mapping[str, str]
    """Record key to `<zone id>/<record id>` of a record with our mark that is not in the state."""


class ZoneRecords(pulumi.ComponentResource):
    """Each record is a child, named by its key. `resources` maps key to resource."""

    resources: dict[str, cloudflare.DnsRecord]

    def __init__(
        self, name: str, args: ZoneRecordsArgs, opts: pulumi.ResourceOptions | None = None
    ) -> None:
        super().__init__("penguin:index:ZoneRecords", name, {}, opts)
        self.resources = {}
        for record in args.records:
            content = args.addresses[record.address] if record.address else record.content
            self.resources[record.key] = cloudflare.DnsRecord(
                record.key,
                zone_id=args.zone_id,
                name=record.name,
                type=record.type,
                content=quoted(record, content),
                priority=record.priority,
                ttl=record.ttl,
                proxied=False,
                comment=record.comment,
                opts=self._options(args.imports.get(record.key)),
            )
        self.register_outputs({})

    def _options(self, import_id: str | None) -> pulumi.ResourceOptions:
        """Adopt a record unchanged; the next run updates it to the blueprint."""
        if import_id is None:
            return pulumi.ResourceOptions(parent=self)
        return pulumi.ResourceOptions(
            parent=self, import_=import_id, ignore_changes=[*ADOPTED_AS_IS]
        )


def quoted(record: Record, content: pulumi.Input[str] | None) -> pulumi.Input[str] | None:
    """Quote text as Cloudflare stores it: strings of at most 255 octets (RFC 1035)."""
    if record.type is not RecordType.TXT or not isinstance(content, str):
        return content
    chunks = (content[start : start + 255] for start in range(0, len(content), 255))
    return " ".join(f'"{chunk}"' for chunk in chunks)
