"""Has the stand-in image built and served: `penguin lab images`, and what needs containers."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from kit.faults import Fault
from kit.waiting import wait_until
from lab import leftovers
from lab.asking import ask
from lab.faults import FAILED, FAULTS, NO_IMAGES
from lab.lock import MACHINE_LOCK, alone
from lab.registry import stand_in
from lab.registry.images import PATH
from lab.running import RunningLab, running

SECONDS = 600.0
"""Time limit of a build; it takes about 40 s on a fast machine."""
Progress = Callable[[str], None]


def provide(directory: Path, cache: Path, progress: Progress) -> bool:
    """Build what is missing, in the running lab or for the next; return whether it is served now.

    Raises TAKEN, FAILED or NO_IMAGES.
    """
    lab = running(directory)
    if lab is None:
        _build(directory, cache, progress)
        return False
    if lab.registry is None:
        raise NO_IMAGES()
    _order(lab, progress)
    return True


def state_of(lab: RunningLab) -> dict[str, Any]:
    """Return what a running lab says of its images; raises FAILED."""
    return _asked(lab, "GET")


def _build(directory: Path, cache: Path, progress: Progress) -> None:
    """Build it in this process; a lab that starts meanwhile finds the machine taken."""
    with alone(directory, MACHINE_LOCK) as killed:
        leftovers.clear(*{killed or directory, directory})
        leftovers.clear_builds(cache)
        try:
            stand_in.base(cache, progress)
        finally:
            leftovers.clear(directory)  # processes and control group of the build


def _order(lab: RunningLab, progress: Progress) -> None:
    _asked(lab, "POST")
    shown = 0

    def ended() -> dict[str, Any] | None:
        nonlocal shown
        state = state_of(lab)
        for line in state["lines"][shown:]:
            progress(line)
        shown = len(state["lines"])
        return None if state["building"] else state

    state = wait_until(ended, seconds=SECONDS, longest_pause=0.5)
    if state is None:
        reason = f"it took longer than {SECONDS:.0f} s"
        raise FAILED(part="the stand-in image", reason=reason)
    if state["fault"]:
        code, message, remedy = state["fault"]
        raise Fault(FAULTS.get(code) or FAILED, message, remedy)


def _asked(lab: RunningLab, method: str) -> dict[str, Any]:
    """Return the answer of the images' address."""
    url = f"{lab.cloudflare_url}{PATH}"
    answer = ask(method, url)
    if answer.is_error:
        raise FAILED(part="the lab", reason=f"it refused: {answer.document}", where=url)
    document: dict[str, Any] = answer.document
    return document
