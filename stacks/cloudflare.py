"""The one resource of Cloudflare that the program uses, as Pulumi's SDK declares it.

The SDK's class takes the inputs and outputs of all resources from two modules of ten megabytes,
which cost every process that runs the program most of its start and fifty megabytes: see decision
34.
"""

from __future__ import annotations

from collections.abc import Mapping
from importlib.metadata import version

import pulumi

VERSION = version("pulumi_cloudflare")
"""Of the SDK, and of the plugin that belongs to it."""


class DnsRecord(pulumi.CustomResource):
    """A record of a zone."""

    def __init__(
        self,
        resource_name: str,
        *,
        zone_id: str,
        name: str,
        type: str,  # noqa: A002 - the name of the property
        ttl: int,
        content: pulumi.Input[str] | None,
        data: Mapping[str, int | str] | None,
        priority: int | None,
        proxied: bool,
        comment: str,
        opts: pulumi.ResourceOptions,
    ) -> None:
        properties = {
            "zoneId": zone_id,
            "name": name,
            "type": type,
            "ttl": ttl,
            "content": content,
            "data": data,
            "priority": priority,
            "proxied": proxied,
            "comment": comment,
        }
        former = pulumi.Alias(type_="cloudflare:index/record:Record")
        own = pulumi.ResourceOptions(version=VERSION, aliases=[former])
        merged = pulumi.ResourceOptions.merge(own, opts)
        super().__init__("cloudflare:index/dnsRecord:DnsRecord", resource_name, properties, merged)
