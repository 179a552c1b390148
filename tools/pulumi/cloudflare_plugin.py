"""Stand-in for `pulumi-resource-cloudflare`: DNS records and zones through Cloudflare's own SDK.

Used where Pulumi's plugin, a release download, is not available. It serves the tokens
`cloudflare:index/dnsRecord:DnsRecord`, `cloudflare:index/zone:Zone` and the zone look-ups with the
requests that Pulumi's plugin makes, so the program and its SDK stay unchanged.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from functools import wraps
from pathlib import Path
from typing import Any

import grpc
from google.protobuf import empty_pb2, json_format, struct_pb2

from tools.pulumi import cloudflare_zones as zones
from tools.pulumi.cloudflare_api import RETRIES, ApiError, CloudflareApi
from tools.pulumi.cloudflare_records import body, changed_fields, live_inputs, mistakes, unknown_in
from tools.pulumi.parts import CLOUDFLARE_VERSION
from tools.pulumi.protocol import plugin_pb2, provider_pb2, provider_pb2_grpc
from tools.pulumi.serving import serve_until_end

RECORD = "cloudflare:index/dnsRecord:DnsRecord"
ZONE = "cloudflare:index/zone:Zone"
NOTICE = "PenguinMails' stand-in for Pulumi's Cloudflare plugin"

Handler = Callable[[Any, Any, Any], Any]


def reported(verb: str) -> Callable[[Handler], Handler]:
    """Turn an error into one line of Pulumi's diagnostics."""

    def decorate(handler: Handler) -> Handler:
        @wraps(handler)
        def answer(self: Any, request: Any, context: Any) -> Any:
            try:
                return handler(self, request, context)
            except ApiError as error:
                line = f"cloudflare: {verb} {_subject(request)}: {error}"
                context.abort(grpc.StatusCode.UNKNOWN, line)
            except Exception as error:  # noqa: BLE001 - gRPC would print a traceback
                failed = f"{NOTICE} failed: {_source_line(error)}"
                line = f"cloudflare: {verb} {_subject(request)}: {failed}"
                context.abort(grpc.StatusCode.INTERNAL, line)

        return answer

    return decorate


class CloudflareProvider(provider_pb2_grpc.ResourceProviderServicer):
    """The calls that the engine makes for DNS records and zones."""

    def __init__(
        self,
        base_url: str | None = None,
        token: str | None = None,
        *,
        retries: int = RETRIES,
        api: type[CloudflareApi] = CloudflareApi,
    ) -> None:
        self._base_url = base_url
        self._token = token
        self._retries = retries
        self._make_api = api
        self._api = api(base_url, token, retries=retries)

    def Attach(self, request: Any, context: Any) -> Any:  # noqa: N802
        """Serve an engine that did not start this process."""
        return empty_pb2.Empty()

    def GetPluginInfo(self, request: Any, context: Any) -> Any:  # noqa: N802
        """Return the version that the SDK package requests."""
        return plugin_pb2.PluginInfo(version=CLOUDFLARE_VERSION)

    def GetSchema(self, request: Any, context: Any) -> Any:  # noqa: N802
        """Return a stub: Python programs never call it, code generation needs the real plugin."""
        schema = {"name": "cloudflare", "version": CLOUDFLARE_VERSION, "description": NOTICE}
        return provider_pb2.GetSchemaResponse(schema=json.dumps(schema))

    def CheckConfig(self, request: Any, context: Any) -> Any:  # noqa: N802
        """Accept any configuration."""
        return provider_pb2.CheckResponse(inputs=request.news)

    def DiffConfig(self, request: Any, context: Any) -> Any:  # noqa: N802
        """Credentials may change without touching a record."""
        return provider_pb2.DiffResponse(changes=provider_pb2.DiffResponse.DIFF_NONE)

    def Configure(self, request: Any, context: Any) -> Any:  # noqa: N802
        """Set address and token, by default from the environment. Nothing is called yet."""
        arguments = _plain(request.args)
        self._api = self._make_api(
            arguments.get("baseUrl") or self._base_url,
            arguments.get("apiToken") or self._token,
            retries=self._retries,
        )
        return provider_pb2.ConfigureResponse(supportsPreview=True)

    def Cancel(self, request: Any, context: Any) -> Any:  # noqa: N802
        """Calls are short; the running one ends by itself."""
        return empty_pb2.Empty()

    @reported("check")
    def Check(self, request: Any, context: Any) -> Any:  # noqa: N802
        """Report every mistake at once."""
        news = _plain(request.news)
        violations = zones.mistakes(news) if _is_zone(request) else mistakes(news)
        if not _is_zone(request) and _token(request) != RECORD:
            raise ApiError(f"{_token(request)} needs Pulumi's own Cloudflare plugin")
        failures = [
            provider_pb2.CheckFailure(property=key, reason=reason)
            for key, reason in violations
            if not unknown_in(news.get(key))
        ]
        return provider_pb2.CheckResponse(inputs=request.news, failures=failures)

    @reported("compare")
    def Diff(self, request: Any, context: Any) -> Any:  # noqa: N802
        """Compare by meaning; another type or zone is another record."""
        old, new = _plain(request.old_inputs) or _plain(request.olds), _plain(request.news)
        if _is_zone(request):
            fields, fixed = zones.changed_fields(old, new), zones.FIXED
        else:
            fields, fixed = changed_fields(old, new), ("type", "zoneId")
        fields = [key for key in fields if key not in request.ignoreChanges]
        replaces = [key for key in fields if key in fixed]
        kind = provider_pb2.DiffResponse
        return provider_pb2.DiffResponse(
            changes=kind.DIFF_SOME if fields else kind.DIFF_NONE,
            diffs=fields,
            replaces=replaces,
            deleteBeforeReplace=bool(replaces),
        )

    @reported("create")
    def Create(self, request: Any, context: Any) -> Any:  # noqa: N802
        """POST the record or zone."""
        inputs = _plain(request.properties)
        if request.preview:
            return provider_pb2.CreateResponse(properties=request.properties)
        if _is_zone(request):
            live = self._api.create_zone(zones.body(inputs))
            state = zones.state(inputs, live)
        else:
            live = self._api.create_record(inputs["zoneId"], body(inputs))
            state = _state(inputs, live)
        return provider_pb2.CreateResponse(id=live["id"], properties=_struct(state))

    @reported("read")
    def Read(self, request: Any, context: Any) -> Any:  # noqa: N802
        """GET the record or zone; one that is gone has an empty response. `<zone>/<id>` imports."""
        planned, state = _plain(request.inputs), _plain(request.properties)
        zone, _, identity = request.id.rpartition("/")
        if _is_zone(request):
            live = self._api.zone(identity)
        else:
            zone = zone or str(state.get("zoneId") or "")
            if not zone:
                raise ApiError(f"the id to import must be <zone id>/<record id>, not {request.id}")
            live = self._api.record(zone, identity)
        if live is None:
            return provider_pb2.ReadResponse()
        if _is_zone(request):
            inputs = zones.live_inputs(planned, live)
            state = zones.state(inputs, live)
        else:
            inputs = live_inputs({**planned, "zoneId": zone}, live)
            state = _state(inputs, live)
        return provider_pb2.ReadResponse(
            id=identity, properties=_struct(state), inputs=_struct(inputs)
        )

    @reported("update")
    def Update(self, request: Any, context: Any) -> Any:  # noqa: N802
        """PUT the whole record, PATCH the zone."""
        inputs = _plain(request.news)
        if request.preview:
            return provider_pb2.UpdateResponse(properties=request.news)
        if _is_zone(request):
            live = self._api.change_zone(request.id, zones.changes(inputs))
            return provider_pb2.UpdateResponse(properties=_struct(zones.state(inputs, live)))
        before = _plain(request.old_inputs) or _plain(request.olds)
        live = self._api.replace_record(inputs["zoneId"], request.id, body(inputs, before))
        return provider_pb2.UpdateResponse(properties=_struct(_state(inputs, live)))

    @reported("delete")
    def Delete(self, request: Any, context: Any) -> Any:  # noqa: N802
        """DELETE the record or zone; a record that is gone already is an error, as upstream."""
        if _is_zone(request):
            self._api.delete_zone(request.id)
        else:
            self._api.delete_record(_plain(request.properties)["zoneId"], request.id)
        return empty_pb2.Empty()

    @reported("look up")
    def Invoke(self, request: Any, context: Any) -> Any:  # noqa: N802
        """Look zones up: one by id or filter, or all that match."""
        arguments = _plain(request.args)
        if request.tok == "cloudflare:index/getZone:getZone":
            live = self._api.find_zone(arguments.get("zoneId"), arguments.get("filter") or {})
            result = {**zones.state({}, live), "zoneId": live["id"]}
        elif request.tok == "cloudflare:index/getZones:getZones":
            result = {"results": [zones.state({}, zone) for zone in self._api.zones(arguments)]}
        else:
            raise ApiError(f"{request.tok} needs Pulumi's own Cloudflare plugin")
        response = provider_pb2.InvokeResponse()
        getattr(response, "return").CopyFrom(_struct({**arguments, **result}))
        return response


def _subject(request: Any) -> str:
    """Return the subject of a request: `TXT acme.example`, `zone acme.example`."""
    fields = {field.name: value for field, value in request.ListFields()}
    for key in ("news", "properties", "args", "olds", "inputs"):
        values = _plain(fields[key]) if key in fields else {}
        name = values.get("name") or (values.get("filter") or {}).get("name")
        if name:
            return f"{values.get('type') if values.get('zoneId') else 'zone'} {name}"
    return str(fields.get("id") or fields.get("tok") or "")


def _source_line(error: Exception) -> str:
    """Return an unexpected error, and the line that raised it."""
    trace = error.__traceback__
    while trace and trace.tb_next:
        trace = trace.tb_next
    where = f"{Path(trace.tb_frame.f_code.co_filename).name}:{trace.tb_lineno}" if trace else "?"
    return f"{type(error).__name__} {error} ({where})"


def _token(request: Any) -> str:
    """Return the type token of the resource."""
    return str(request.type or request.urn.split("::")[2].split("$")[-1])


def _is_zone(request: Any) -> bool:
    return _token(request) == ZONE


def _plain(struct: struct_pb2.Struct) -> dict[str, Any]:
    return dict(json_format.MessageToDict(struct))


def _struct(value: dict[str, Any]) -> struct_pb2.Struct:
    result = struct_pb2.Struct()
    json_format.ParseDict(value, result)
    return result


def _state(inputs: dict[str, Any], live: dict[str, Any]) -> dict[str, Any]:
    """Return the outputs: the planned fields, and those that the API computes."""
    computed = {
        "createdOn": live.get("created_on"),
        "modifiedOn": live.get("modified_on"),
        "proxiable": live.get("proxiable"),
        "proxied": live.get("proxied", False),
        "meta": json.dumps(live.get("meta") or {}),
        "commentModifiedOn": live.get("comment_modified_on"),
        "tagsModifiedOn": live.get("tags_modified_on"),
    }
    return {**computed, **inputs}


def server_of(provider: CloudflareProvider) -> grpc.Server:
    """Return a server of a provider, which is not started yet."""
    server = grpc.server(ThreadPoolExecutor(max_workers=32))
    provider_pb2_grpc.add_ResourceProviderServicer_to_server(provider, server)
    return server


class Serving:
    """The stand-in in this process, with the engine's variables."""

    def __init__(self, environment: Mapping[str, str]) -> None:
        provider = CloudflareProvider(
            environment.get("CLOUDFLARE_BASE_URL"), environment.get("CLOUDFLARE_API_TOKEN")
        )
        self._server = server_of(provider)
        self.port = self._server.add_insecure_port("127.0.0.1:0")
        self._server.start()

    def end(self) -> None:
        """Stop; calls are short, and the running ones are broken off."""
        self._server.stop(grace=None)


start = Serving
"""See `kit.plugins`."""


def serve(provider: CloudflareProvider) -> None:
    """Serve a provider until the engine ends this process."""
    server = server_of(provider)
    serve_until_end(server)
    server.stop(grace=None)


def main() -> None:
    """Serve the stand-in."""
    print(NOTICE, file=sys.stderr, flush=True)
    serve(CloudflareProvider())


if __name__ == "__main__":
    main()
