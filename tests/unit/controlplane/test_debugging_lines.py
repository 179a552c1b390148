"""The program of an operation sends the engine no lines for debugging, which the SDK writes."""

from __future__ import annotations

from pulumi.runtime.proto import engine_pb2

from controlplane.pulumi.worker import WithoutDebugging


class Lines:
    """An engine that keeps the lines that it gets."""

    def __init__(self) -> None:
        self.severities: list[int] = []

    def Log(self, request: engine_pb2.LogRequest) -> None:  # noqa: N802 - of the protocol
        self.severities.append(request.severity)

    def GetRootResource(self) -> str:  # noqa: N802 - of the protocol
        return "root"


def test_lines_for_debugging_are_dropped_and_all_else_reaches_the_engine() -> None:
    lines = Lines()
    engine = WithoutDebugging(lines)
    for severity in (engine_pb2.DEBUG, engine_pb2.INFO, engine_pb2.WARNING, engine_pb2.ERROR):
        engine.Log(engine_pb2.LogRequest(severity=severity, message="a line"))
    assert lines.severities == [engine_pb2.INFO, engine_pb2.WARNING, engine_pb2.ERROR]
    assert engine.GetRootResource() == "root"
