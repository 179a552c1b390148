"""Stand-in for `pulumi-resource-cloudflare`: DNS records and zones through Cloudflare's own SDK.

Used where Pulumi's plugin, a release download, cannot be had. It answers the tokens
`cloudflare:index/dnsRecord:DnsRecord`, `cloudflare:index/zone:Zone` and the zone look-ups with the
requests that Pulumi's plugin makes, so the program and its SDK stay unchanged.
"""

from __future__ import annotations

import json
import signal
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import grpc
from google.protobuf import empty_pb2, json_format, struct_pb2
from pulumi.runtime.proto import plugin_pb2, provider_pb2, provider_pb2_grpc

from tools.pulumi.cloudflare_api import ApiError, CloudflareApi
from tools.pulumi.cloudflare_records import RECORD_FIELDS, changed_fields, live_inputs, mistakes
from tools.pulumi.parts import CLOUDFLARE_VERSION

RECORD = "cloudflare:index/dnsRecord:DnsRecord"
ZONE = "cloudflare:index/zone:Zone"
UNKNOWN = "04da6b54-80e4-46f7-96ec-b56ff0331ba9"
"""Pulumi's marker of a value that a preview does not know yet."""


class CloudflareProvider(provider_pb2_grpc.ResourceProviderServicer):
    """The calls that the engine makes for DNS records and zones. Credentials: the environment."""

    def __init__(self, api: CloudflareApi) -> None:
        self._api = api

    def GetPluginInfo(self, request: Any, context: Any) -> Any:  # noqa: ARG002, N802
        """Name the version that the SDK package asks for."""
        return plugin_pb2.PluginInfo(version=CLOUDFLARE_VERSION)

    def GetSchema(self, request: Any, context: Any) -> Any:  # noqa: ARG002, N802
        """Programs in Python never ask; code generation wants the official plugin."""
        schema = {"name": "cloudflare", "version": CLOUDFLARE_VERSION}
        return provider_pb2.GetSchemaResponse(schema=json.dumps(schema))

    def CheckConfig(self, request: Any, context: Any) -> Any:  # noqa: ARG002, N802
        """Take any configuration."""
        return provider_pb2.CheckResponse(inputs=request.news)

    def DiffConfig(self, request: Any, context: Any) -> Any:  # noqa: ARG002, N802
        """Credentials may change without touching a record."""
        return provider_pb2.DiffResponse(changes=provider_pb2.DiffResponse.DIFF_NONE)

    def Configure(self, request: Any, context: Any) -> Any:  # noqa: ARG002, N802
        """Nothing is called yet, as in Pulumi's plugin."""
        return provider_pb2.ConfigureResponse(supportsPreview=True)

    def Cancel(self, request: Any, context: Any) -> Any:  # noqa: ARG002, N802
        """Calls are short; the running one ends by itself."""
        return empty_pb2.Empty()

    def Check(self, request: Any, context: Any) -> Any:  # noqa: ARG002, N802
        """Report every mistake of a record at once."""
        news = _plain(request.news)
        found = mistakes(news) if _token(request.urn) == RECORD and UNKNOWN not in str(news) else []
        failures = [provider_pb2.CheckFailure(property=key, reason=why) for key, why in found]
        return provider_pb2.CheckResponse(inputs=request.news, failures=failures)

    def Diff(self, request: Any, context: Any) -> Any:  # noqa: ARG002, N802
        """Compare by meaning; another type or zone is another record."""
        old = _plain(request.old_inputs) or _plain(request.olds)
        fields = changed_fields(old, _plain(request.news))
        replaces = [key for key in fields if key in ("type", "zoneId")]
        kind = provider_pb2.DiffResponse
        return provider_pb2.DiffResponse(
            changes=kind.DIFF_SOME if fields else kind.DIFF_NONE,
            diffs=fields,
            replaces=replaces,
            deleteBeforeReplace=bool(replaces),
        )

    def Create(self, request: Any, context: Any) -> Any:  # noqa: N802
        """POST the record or zone."""
        inputs = _plain(request.properties)
        if request.preview:
            return provider_pb2.CreateResponse(properties=request.properties)
        with _reported(context, "create", inputs):
            if _token(request.urn) == ZONE:
                made = self._api.create_zone(inputs)
                return provider_pb2.CreateResponse(id=made["id"], properties=_struct(made))
            made = self._api.create_record(inputs["zoneId"], _body(inputs))
        return provider_pb2.CreateResponse(id=made["id"], properties=_struct(_state(inputs, made)))

    def Read(self, request: Any, context: Any) -> Any:  # noqa: N802
        """GET the record or zone; one that is gone has an empty answer. `<zone>/<id>` imports."""
        state = _plain(request.properties)
        with _reported(context, "read", state):
            if _token(request.urn) == ZONE:
                zone = self._api.zone(request.id)
                return provider_pb2.ReadResponse(
                    id=zone["id"] if zone else "", properties=_struct(zone or {})
                )
            zone_id, _, record_id = request.id.rpartition("/")
            zone_id = zone_id or state["zoneId"]
            live = self._api.record(zone_id, record_id)
        if live is None:
            return provider_pb2.ReadResponse()
        inputs = live_inputs({**_plain(request.inputs), "zoneId": zone_id}, live)
        return provider_pb2.ReadResponse(
            id=record_id, properties=_struct(_state(inputs, live)), inputs=_struct(inputs)
        )

    def Update(self, request: Any, context: Any) -> Any:  # noqa: N802
        """PUT the whole record."""
        inputs = _plain(request.news)
        if request.preview:
            return provider_pb2.UpdateResponse(properties=request.news)
        with _reported(context, "update", inputs):
            made = self._api.replace_record(inputs["zoneId"], request.id, _body(inputs))
        return provider_pb2.UpdateResponse(properties=_struct(_state(inputs, made)))

    def Delete(self, request: Any, context: Any) -> Any:  # noqa: N802
        """DELETE the record or zone; a record that is gone already is an error, as upstream."""
        state = _plain(request.properties)
        with _reported(context, "delete", state):
            if _token(request.urn) == ZONE:
                self._api.delete_zone(request.id)
            else:
                self._api.delete_record(state["zoneId"], request.id)
        return empty_pb2.Empty()

    def Invoke(self, request: Any, context: Any) -> Any:  # noqa: N802
        """Look zones up: one by id or filter, or all that match."""
        arguments = _plain(request.args)
        with _reported(context, "look up zone", arguments):
            if request.tok == "cloudflare:index/getZone:getZone":
                found = self._api.find_zone(arguments)
            elif request.tok == "cloudflare:index/getZones:getZones":
                found = {"results": self._api.zones(arguments)}
            else:
                context.abort(
                    grpc.StatusCode.UNIMPLEMENTED,
                    f"{request.tok} needs Pulumi's own Cloudflare plugin",
                )
        answer = provider_pb2.InvokeResponse()
        getattr(answer, "return").CopyFrom(_struct({**arguments, **found}))
        return answer


class _reported:  # noqa: N801 - reads as a statement
    """Turns an API error into the one line that a person reads in Pulumi's diagnostics."""

    def __init__(self, context: Any, verb: str, what: dict[str, Any]) -> None:
        self._context = context
        name = what.get("name") or (what.get("filter") or {}).get("name") or what.get("zoneId", "")
        self._what = " ".join(filter(None, (verb, str(what.get("type") or ""), str(name))))

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        if isinstance(error, ApiError):
            self._context.abort(grpc.StatusCode.UNKNOWN, f"cloudflare: {self._what}: {error}")


def _token(urn: str) -> str:
    """Return the type token of a resource from its URN."""
    return urn.split("::")[2].split("$")[-1]


def _plain(struct: struct_pb2.Struct) -> dict[str, Any]:
    return dict(json_format.MessageToDict(struct))


def _struct(value: dict[str, Any]) -> struct_pb2.Struct:
    result = struct_pb2.Struct()
    json_format.ParseDict(value, result)
    return result


def _body(inputs: dict[str, Any]) -> dict[str, Any]:
    """Return what the API takes: configured fields only, in its own spelling."""
    body = {
        api: inputs[ours] for ours, api in RECORD_FIELDS.items() if inputs.get(ours) is not None
    }
    for number in ("ttl", "priority"):
        if number in body:
            body[number] = int(body[number])
    body.setdefault("proxied", False)
    return body


def _state(inputs: dict[str, Any], live: dict[str, Any]) -> dict[str, Any]:
    """Return the outputs: the planned fields, and what only the API knows."""
    computed = {
        "createdOn": live.get("created_on"),
        "modifiedOn": live.get("modified_on"),
        "proxiable": live.get("proxiable"),
        "proxied": live.get("proxied", False),
        "meta": json.dumps(live.get("meta") or {}),
        "commentModifiedOn": live.get("comment_modified_on"),
    }
    return {**computed, **inputs}


def main() -> None:
    """Serve until the engine ends us."""
    server = grpc.server(ThreadPoolExecutor(max_workers=32))
    provider_pb2_grpc.add_ResourceProviderServicer_to_server(
        CloudflareProvider(CloudflareApi.from_environment()), server
    )
    port = server.add_insecure_port("127.0.0.1:0")
    over = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: over.set())
    server.start()
    print(port, flush=True)
    print("PenguinMails' stand-in for Pulumi's Cloudflare plugin", file=sys.stderr, flush=True)
    over.wait()
    server.stop(grace=None)


if __name__ == "__main__":
    main()
