"""Stand-in for `pulumi-language-python`: runs each program in a fresh interpreter.

Used where the official language host, a release download, is not available. It serves
`pulumirpc.LanguageRuntime`, prints its port, and passes a `Run` to `tools.pulumi.run_program`.
"""

from __future__ import annotations

import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import grpc
from google.protobuf import empty_pb2

from tools.pulumi.parts import ANSWERED, VERSION
from tools.pulumi.protocol import language_pb2, language_pb2_grpc, plugin_pb2
from tools.pulumi.serving import serve_until_end

NOTICE = "running with PenguinMails' stand-in for the Python language host"


class LanguageHost(language_pb2_grpc.LanguageRuntimeServicer):
    """The methods that the engine calls in preview, up, refresh and destroy."""

    def __init__(self) -> None:
        self._running: set[subprocess.Popen[bytes]] = set()

    def Handshake(self, request: Any, context: Any) -> Any:  # noqa: N802
        """Accept any engine of our version."""
        return language_pb2.LanguageHandshakeResponse()

    def GetPluginInfo(self, request: Any, context: Any) -> Any:  # noqa: N802
        """Return the version; the suffix is shown by `pulumi about`."""
        return plugin_pb2.PluginInfo(version=f"{VERSION}+penguinmails.stand-in")

    def GetRequiredPackages(self, request: Any, context: Any) -> Any:  # noqa: N802
        """Plugins are loaded when a resource first needs them."""
        return language_pb2.GetRequiredPackagesResponse()

    def GetRequiredPlugins(self, request: Any, context: Any) -> Any:  # noqa: N802
        """As GetRequiredPackages, for older engines."""
        return language_pb2.GetRequiredPluginsResponse()

    def GetProgramDependencies(self, request: Any, context: Any) -> Any:  # noqa: N802
        """The lock file lists what the program depends on."""
        return language_pb2.GetProgramDependenciesResponse()

    def About(self, request: Any, context: Any) -> Any:  # noqa: N802
        """Return which interpreter runs the programs, and that this is a stand-in."""
        version = ".".join(map(str, sys.version_info[:3]))
        return language_pb2.AboutResponse(
            executable=sys.executable, version=version, metadata={"host": NOTICE}
        )

    def Cancel(self, request: Any, context: Any) -> Any:  # noqa: N802
        """End the programs that run."""
        self.end_programs()
        return empty_pb2.Empty()

    def Run(self, request: Any, context: Any) -> Any:  # noqa: N802
        """Run the program; modules must not stay cached between a preview and its update."""
        read_end, write_end = os.pipe()  # separate from the program's output
        with os.fdopen(read_end, "rb") as responses:
            child = subprocess.Popen(
                [sys.executable, "-m", "tools.pulumi.run_program", str(write_end)],
                stdin=subprocess.PIPE,
                pass_fds=(write_end,),
            )
            os.close(write_end)
            self._running.add(child)
            context.add_callback(child.terminate)  # a cancelled call ends the program
            try:
                child.communicate(request.SerializeToString())
                response = responses.read()
            finally:
                self._running.discard(child)
        if child.returncode or not response.endswith(ANSWERED):
            # An interpreter that ended early has written nothing. That must not count as a program
            # that declares nothing: the engine would delete all resources.
            return language_pb2.RunResponse(
                error=f"the program's interpreter ended with {child.returncode} before its end"
            )
        return language_pb2.RunResponse.FromString(response.removesuffix(ANSWERED))

    def end_programs(self) -> None:
        """End all programs."""
        for child in list(self._running):
            child.terminate()


def main() -> None:
    """Serve until the engine ends it."""
    server = grpc.server(ThreadPoolExecutor(max_workers=8))
    host = LanguageHost()
    language_pb2_grpc.add_LanguageRuntimeServicer_to_server(host, server)
    serve_until_end(server)
    host.end_programs()
    server.stop(grace=None)


if __name__ == "__main__":
    main()
