"""Our declaration of a record asks the engine for the same as the class of Pulumi's SDK."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import Any

from kit.paths import checkout

REGISTER = """
import json, sys, warnings
import pulumi
from pulumi.runtime import mocks
from kit.packages import unexecuted

class Monitor(mocks.MockMonitor):
    def RegisterResource(self, request):
        if request.custom:
            aliases = [alias.spec.type for alias in request.aliases]
            plugin = [request.version, request.pluginDownloadURL]
            described = [request.type, request.name, *plugin, aliases, *request.ignoreChanges]
            line = json.dumps([described, mocks.rpc.deserialize_properties(request.object)])
            sys.stdout.write(line + "\\n")  # at once: resources are registered by several threads
        return super().RegisterResource(request)

class Mocks(mocks.Mocks):
    def call(self, args):
        return {}
    def new_resource(self, args):
        return "id", args.inputs

mocks.set_mocks(Mocks(), monitor=Monitor(Mocks()))
if sys.argv[1] == "ours":
    from stacks.cloudflare import DnsRecord
else:
    warnings.simplefilter("ignore")
    with unexecuted("pulumi_cloudflare"):
        from pulumi_cloudflare.dns_record import DnsRecord

@mocks.test
def register():
    common = {"zone_id": "z", "ttl": 300, "proxied": False, "comment": "pm:x"}
    service = {"priority": 1, "weight": 2, "port": 465, "target": "mx1.acme.example"}
    opts = pulumi.ResourceOptions(ignore_changes=["content"])
    DnsRecord("mx", name="acme.example", type="MX", content="mx1.acme.example", data=None,
              priority=10, opts=opts, **common)
    DnsRecord("srv", name="_imaps._tcp.acme.example", type="SRV", content=None, data=service,
              priority=None, opts=opts, **common)

register()
"""


def registered(whose: str) -> list[Any]:
    done = subprocess.run(
        [sys.executable, "-c", REGISTER, whose],
        cwd=checkout(),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return sorted(map(json.loads, done.stdout.splitlines()))


def test_record_is_declared_as_by_the_sdk() -> None:
    ours = registered("ours")
    assert [described[:2] for described, _ in ours] == [
        ["cloudflare:index/dnsRecord:DnsRecord", "mx"],
        ["cloudflare:index/dnsRecord:DnsRecord", "srv"],
    ]
    assert ours == registered("theirs")
