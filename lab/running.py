"""The file of a running lab: addresses and keys of its servers, readable by its owner only."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from pydantic import BaseModel

from kit import files
from kit.processes import is_running
from lab.faults import NOT_RUNNING

FILE = "lab.json"
PLATFORM_ZONE = "penguinmails.example"


class RunningLab(BaseModel):
    """Addresses and keys of one running lab."""

    process: str
    """Its identity."""
    level: Literal["hosts", "api"]
    """`api`: no real hosts; a tenant reaches `DnsReady` at most."""
    missing: str | None = None
    """What this machine lacks for real hosts."""
    golden: bool = False
    """Hosts begin with the packages that the playbooks install."""
    hostwinds_url: str
    hostwinds_key: str
    cloudflare_url: str
    cloudflare_token: str
    platform_zone: str = PLATFORM_ZONE
    resolver: str | None = None
    """Address of the recursive resolver; None at API level."""
    trust_anchor: str | None = None
    """DS record of the lab's root, for resolvers of its own that validate."""
    time_server: str | None = None
    """Address of the NTP server of hosts."""
    sender_address: str | None = None
    """Address that submission comes from, as hosts see it."""
    acme: str | None = None
    """Directory of the public authority (ACME); None: it is not installed."""
    acme_ca: Path | None = None
    """Certificate (PEM) by which its HTTPS is trusted."""
    acme_root: Path | None = None
    """Certificate (PEM) of the root that it issues by, another one in each lab."""
    packages: str | None = None
    """URL of the package repository for hosts."""
    registry: str | None = None
    """URL of the container registry, which hosts reach as `ghcr.io`; None at API level."""
    registry_ca: Path | None = None
    """Certificate by which clients trust it: `/etc/docker/certs.d/ghcr.io/ca.crt` of hosts."""
    receiver: str | None = None
    """Domain whose mail arrives in the lab."""
    echo_mx: str | None = None
    """Its name as a mail server, which reports what it sees of a client."""
    receiver_ready: bool = False
    """It starts after everything else, and accepts no mail before."""

    @property
    def pid(self) -> int:
        """The lab's process."""
        return int(self.process.partition(".")[0])

    def environment(self) -> dict[str, str]:
        """Return the provider's variables, the same for `pulumi up` and the reconciler."""
        return {
            "HOSTWINDS_API_URL": f"{self.hostwinds_url}/cloud/api.php",
            "HOSTWINDS_API_KEY": self.hostwinds_key,
            "HOSTWINDS_POLL": "0.2",
            "HOSTWINDS_RATE": "50",
            "CLOUDFLARE_RATE": "3.5",  # 4 are refused, also by the lab
            "HOSTWINDS_PORTAL_DEADLINE": "20",
            "HOSTWINDS_PROVISIONING_DEADLINE": "60",
            "HOSTWINDS_SERVER_DEADLINE": "60",  # hosts of the lab take seconds: a run waits
            "CLOUDFLARE_BASE_URL": f"{self.cloudflare_url}/client/v4",
            "CLOUDFLARE_API_TOKEN": self.cloudflare_token,
        }

    def write(self, directory: Path) -> None:
        """Write the file atomically, mode 0600."""
        files.write(directory / FILE, self.model_dump_json(indent=1), mode=files.PRIVATE)


def running(directory: Path) -> RunningLab | None:
    """Return the lab that runs in a directory, None when none does."""
    try:
        lab = RunningLab.model_validate_json((directory / FILE).read_text())
    except (OSError, ValueError):
        return None
    return lab if is_running(lab.process) else None


def required(directory: Path) -> RunningLab:
    """Return the lab that runs in a directory; raises NOT_RUNNING."""
    lab = running(directory)
    if lab is None:
        raise NOT_RUNNING()
    return lab
