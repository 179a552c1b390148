"""A small disk that can be filled to the last byte; only root can mount one."""

from __future__ import annotations

import os
import subprocess
from contextlib import suppress
from pathlib import Path

CAN_MOUNT = os.geteuid() == 0
FILE = "fill"


class SmallDisk:
    """A file system in memory."""

    def __init__(self, directory: Path, size: str = "160m") -> None:
        """Mount it at a new directory."""
        self.directory = directory
        directory.mkdir(parents=True)
        command = ["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", str(directory)]
        subprocess.run(command, check=True)

    def fill(self) -> None:
        """Leave not a byte."""
        with (self.directory / FILE).open("wb", buffering=0) as file:
            for size in (1 << 20, 1 << 9):
                with suppress(OSError):
                    while file.write(b"x" * size):
                        pass

    def empty(self) -> None:
        """Give back what was filled."""
        (self.directory / FILE).unlink()

    def remove(self) -> None:
        """Unmount it."""
        unmount(self.directory)


def unmount(directory: Path) -> None:
    """Unmount a disk that may be there, also one that processes of a killed run still use."""
    if directory.is_mount():
        subprocess.run(["umount", "--lazy", str(directory)], check=True)
