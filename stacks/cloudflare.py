"""The one class of Pulumi's Cloudflare SDK that the program uses, without the other hundreds.

`import pulumi_cloudflare` executes a module for each of Cloudflare's resources: two seconds and a
third of the memory of every process that runs the program. Its modules import each other by name
only, so the package need not be executed for one of them. A later import of the whole package
works.
"""

from __future__ import annotations

import warnings

from kit.packages import unexecuted

with unexecuted("pulumi_cloudflare"), warnings.catch_warnings():
    warnings.simplefilter("ignore")  # about its own generated code
    from pulumi_cloudflare import _utilities
    from pulumi_cloudflare.dns_record import DnsRecord

VERSION: str = _utilities.get_version()  # type: ignore[no-untyped-call]

__all__ = ["VERSION", "DnsRecord"]
