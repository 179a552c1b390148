"""Messages and stubs of Pulumi's protocol, without its SDK.

The SDK takes 0.3 s of every process that imports it, and the engine starts this provider for each
command.
"""

from __future__ import annotations

from kit.packages import unexecuted

with unexecuted("pulumi", "pulumi.runtime", "pulumi.runtime.proto"):
    from pulumi.runtime.proto import (
        engine_pb2,
        engine_pb2_grpc,
        plugin_pb2,
        provider_pb2,
        provider_pb2_grpc,
    )

__all__ = ["engine_pb2", "engine_pb2_grpc", "plugin_pb2", "provider_pb2", "provider_pb2_grpc"]
