"""The images that a running lab serves: built when they are asked for, which takes a minute."""

from __future__ import annotations

import threading
import traceback
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from kit.faults import Fault
from lab.faults import FAILED
from lab.registry import stand_in
from lab.registry.push import Connect, Layer
from lab.registry.stand_in import Progress

PATH = "/_lab/images"


@dataclass
class State:
    """What has been done, for clients that poll."""

    served: bool = False
    building: bool = False
    lines: list[str] = field(default_factory=list)
    fault: tuple[str, str, str] | None = None
    """Code, message and remedy of the failure that ended the last build."""


class Images:
    """Builds the stand-in image in this process, which holds the machine's lab lock."""

    def __init__(
        self,
        connect: Connect,
        directory: Path,
        *,
        found: Callable[[], Layer | None],
        built: Callable[[Progress], Layer],
    ) -> None:
        """Push by way of `directory`."""
        self._connect = connect
        self._directory = directory
        self._found = found
        self._built = built
        self._state = State()
        self._lock = threading.Lock()

    def push_if_built(self) -> None:
        """Serve the image where this machine has it."""
        image = self._found()
        if image is not None:
            self._push(image)

    def start(self) -> dict[str, Any]:
        """Begin to build, unless that was done or is being done; return the state."""
        with self._lock:
            if not self._state.served and not self._state.building:
                self._state = State(building=True)
                threading.Thread(target=self._build, name="images", daemon=True).start()
            return self._shown()

    def route(self) -> Route:
        """Return the route by which images are asked for (POST) and waited for (GET)."""

        async def endpoint(request: Request) -> Response:
            return JSONResponse(self.start() if request.method == "POST" else self._shown())

        return Route(PATH, endpoint, methods=["GET", "POST"])

    def _build(self) -> None:
        state = self._state
        try:
            image = self._built(state.lines.append)
            state.lines.append("pushing the stand-in image")
            self._push(image)
        except Exception as error:  # noqa: BLE001 - a thread has no caller to raise to
            traceback.print_exc()
            fault = FAILED(part="the stand-in image", reason=str(error))
            fault = error if isinstance(error, Fault) else fault
            state.fault = (fault.code.name, fault.message, fault.remedy)
        finally:
            state.building = False

    def _push(self, image: Layer) -> None:
        stand_in.push_all(self._connect, image, self._directory)
        self._state.served = True

    def _shown(self) -> dict[str, Any]:
        state = self._state
        return {
            "served": state.served,
            "building": state.building,
            "lines": list(state.lines),
            "fault": state.fault,
        }
