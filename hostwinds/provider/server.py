"""Serves the resources to the Pulumi engine (pulumirpc.ResourceProvider)."""

from __future__ import annotations

import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import grpc
from google.protobuf import any_pb2, empty_pb2, json_format, struct_pb2
from google.rpc import status_pb2

from hostwinds import VERSION
from hostwinds.faults import DEFECT
from hostwinds.provider.protocol import plugin_pb2, provider_pb2, provider_pb2_grpc
from hostwinds.provider.resources import RESOURCES, PartlyDone, Properties, Resource, Services
from hostwinds.provider.schema import schema
from kit.faults import Fault, line

UNKNOWN = "04da6b54-80e4-46f7-96ec-b56ff0331ba9"
"""The engine's marker of a value that a preview does not know yet."""

Connect = Callable[[str], Services]
"""Takes a resource's URN, for progress lines under its name."""


class HostwindsProvider(provider_pb2_grpc.ResourceProviderServicer):
    """One method for each step of a resource's lifecycle; credentials come from the environment."""

    def __init__(
        self,
        connect: Connect,
        cancel: Callable[[], None],
        attach: Callable[[str], None] = lambda _: None,
    ) -> None:
        self._connect = connect
        self._cancel = cancel
        self._attach = attach

    def Attach(self, request: Any, context: Any) -> Any:  # noqa: N802
        """Learn the address of an engine that did not start this process."""
        self._attach(request.address)
        return empty_pb2.Empty()

    def GetPluginInfo(self, request: Any, context: Any) -> Any:  # noqa: N802
        """Return the version."""
        return plugin_pb2.PluginInfo(version=VERSION)

    def GetSchema(self, request: Any, context: Any) -> Any:  # noqa: N802
        """Return the whole schema."""
        return provider_pb2.GetSchemaResponse(schema=schema())

    def CheckConfig(self, request: Any, context: Any) -> Any:  # noqa: N802
        """Nothing is configured through the engine, so no secret can reach its state."""
        return provider_pb2.CheckResponse(inputs=request.news)

    def DiffConfig(self, request: Any, context: Any) -> Any:  # noqa: N802
        """As CheckConfig."""
        return provider_pb2.DiffResponse(changes=provider_pb2.DiffResponse.DIFF_NONE)

    def Configure(self, request: Any, context: Any) -> Any:  # noqa: N802
        """Accept previews; nothing is called yet."""
        return provider_pb2.ConfigureResponse(supportsPreview=True)

    def Cancel(self, request: Any, context: Any) -> Any:  # noqa: N802
        """Stop waiting; the next run continues what is running."""
        self._cancel()
        return empty_pb2.Empty()

    def Check(self, request: Any, context: Any) -> Any:  # noqa: N802
        """Report every mistake at once, and return the inputs with those that a resource keeps."""
        resource = _resource(request.urn, context)
        olds, news = _plain(request.olds), _plain(request.news)
        if olds:
            news |= resource.kept(olds, news)
        failures = _mistakes(resource, news)
        if olds and not failures:
            known = {key: value for key, value in news.items() if value != UNKNOWN}
            failures = resource.conflicts(olds, {**olds, **known})
        shown = [provider_pb2.CheckFailure(property=key, reason=reason) for key, reason in failures]
        return provider_pb2.CheckResponse(inputs=_struct(news), failures=shown)

    def Diff(self, request: Any, context: Any) -> Any:  # noqa: N802
        """Return which inputs differ, and whether that creates another resource.

        One with incomplete outputs is updated; a refresh would hide it.
        """
        resource = _resource(request.urn, context)
        olds = _plain(request.old_inputs) or _plain(request.olds)
        news = _plain(request.news)
        changed = [key for key in resource.inputs if olds.get(key) != news.get(key)]
        replaces = [key for key in changed if key in resource.replacing]
        incomplete = not all(_plain(request.olds).get(key) for key in resource.outputs)
        kind = provider_pb2.DiffResponse
        return provider_pb2.DiffResponse(
            changes=kind.DIFF_SOME if changed or incomplete else kind.DIFF_NONE,
            diffs=changed,
            replaces=replaces,
            deleteBeforeReplace=bool(replaces) and resource.delete_first,
            stables=[] if replaces or incomplete else [*resource.outputs],
        )

    def Create(self, request: Any, context: Any) -> Any:  # noqa: N802
        """Create a resource; in a preview its outputs stay unknown."""
        resource = _resource(request.urn, context)
        news = _plain(request.properties)
        if request.preview:
            unknown = dict.fromkeys(resource.outputs, UNKNOWN)
            return provider_pb2.CreateResponse(properties=_struct({**news, **unknown}))
        with _reported(context, news):
            resource_id, outputs = resource.create(news, self._connect(request.urn))
        return provider_pb2.CreateResponse(id=resource_id, properties=_struct({**news, **outputs}))

    def Read(self, request: Any, context: Any) -> Any:  # noqa: N802
        """Return what exists; an empty answer means that it does not."""
        resource = _resource(request.urn, context)
        state = {**_plain(request.inputs), **_plain(request.properties)}
        with _reported(context, state):
            observed = resource.read(request.id, state, self._connect(request.urn))
        if observed is None:
            return provider_pb2.ReadResponse()
        inputs, outputs = observed
        return provider_pb2.ReadResponse(
            id=request.id, inputs=_struct(inputs), properties=_struct({**inputs, **outputs})
        )

    def Update(self, request: Any, context: Any) -> Any:  # noqa: N802
        """Change a resource in place, or complete one that was partly created."""
        resource = _resource(request.urn, context)
        olds, news = _plain(request.olds), _plain(request.news)
        if request.preview:
            known = {key: olds.get(key) or UNKNOWN for key in resource.outputs}
            return provider_pb2.UpdateResponse(properties=_struct({**news, **known}))
        with _reported(context, news):
            outputs = resource.update(request.id, olds, news, self._connect(request.urn))
        return provider_pb2.UpdateResponse(properties=_struct({**news, **outputs}))

    def Delete(self, request: Any, context: Any) -> Any:  # noqa: N802
        """End a resource."""
        resource = _resource(request.urn, context)
        state = _plain(request.properties)
        with _reported(context, state):
            resource.delete(request.id, state, self._connect(request.urn))
        return empty_pb2.Empty()


@contextmanager
def _reported(context: Any, news: Properties) -> Iterator[None]:
    """Report faults to the engine; a partial failure includes the resource's state."""
    try:
        yield
    except PartlyDone as partly:
        text = line(partly.reason)
        detail = provider_pb2.ErrorResourceInitFailed(
            id=partly.resource_id,
            properties=_struct({**news, **partly.outputs}),
            reasons=[text],
            inputs=_struct(news),
        )
        packed = any_pb2.Any()
        packed.Pack(detail)
        status = status_pb2.Status(
            code=grpc.StatusCode.UNKNOWN.value[0], message=text, details=[packed]
        )
        context.set_trailing_metadata((("grpc-status-details-bin", status.SerializeToString()),))
        context.abort(grpc.StatusCode.UNKNOWN, text)
    except Fault as error:
        context.abort(grpc.StatusCode.UNKNOWN, line(error))
    except Exception as error:  # noqa: BLE001 - gRPC would print a traceback
        defect = DEFECT(reason=f"{type(error).__name__} at {_source_line(error)}")
        context.abort(grpc.StatusCode.INTERNAL, line(defect))


def _source_line(error: Exception) -> str:
    """Return where an unexpected error was raised; its text may contain a secret."""
    frame = traceback.extract_tb(error.__traceback__)[-1]
    return f"{Path(frame.filename).name}:{frame.lineno}"


def _mistakes(resource: Resource, news: Properties) -> list[tuple[str, str]]:
    failures = []
    for key, kind in resource.inputs.items():
        value = news.get(key)
        if value == UNKNOWN:
            continue
        if value in (None, ""):
            failures.append((key, "is required"))
        elif kind is int and not _is_count(value):
            failures.append((key, "must be a whole number above zero"))
        elif kind is str and not isinstance(value, str):
            failures.append((key, "must be text"))
        elif kind is list and not isinstance(value, list):
            failures.append((key, "must be a list"))
        elif (reason := resource.mistake(key, value)) is not None:
            failures.append((key, reason))
    return failures + [
        (key, "is not an input of this resource") for key in news if not _is_property(resource, key)
    ]


def _is_count(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value > 0


def _is_property(resource: Resource, key: str) -> bool:
    return key in resource.inputs or key in resource.outputs or key.startswith("__")


def _resource(urn: str, context: Any) -> Resource:
    token = urn.split("::")[2].split("$")[-1]
    if token not in RESOURCES:
        context.abort(grpc.StatusCode.UNIMPLEMENTED, f"{token} is not a resource of hostwinds")
    return RESOURCES[token]


def _plain(struct: struct_pb2.Struct) -> Properties:
    """Return plain values; whole numbers arrive as float and are converted to int."""

    def whole(value: Any) -> Any:
        return int(value) if isinstance(value, float) and value.is_integer() else value

    return {key: whole(value) for key, value in json_format.MessageToDict(struct).items()}


def _struct(value: Properties) -> struct_pb2.Struct:
    result = struct_pb2.Struct()
    json_format.ParseDict(value, result)
    return result
