"""Settings of the reconciler, and of the public authorities that it asks for certificates."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

from pydantic import BaseModel, Field

from blueprint.fields import Count, Duration
from blueprint.mail_address import MailAddress

LETSENCRYPT = "https://acme-v02.api.letsencrypt.org/directory"


class ReconcilerSettings(BaseModel):
    """How tenants are reconciled."""

    workers: Count = Field(default=2, ge=1)
    """Tenants that are looked at at the same time; those that have a slot are beside them."""
    engine_slots: Count = Field(default=2, ge=1)
    """Runs of the Pulumi engine at the same time in one process: they need its machine's memory. A
    tenant that needs one and gets none waits without a worker."""
    engine_memory: Count = Field(default=2048, ge=512)
    """MB of data that each process of a run of the engine may have: itself, its plugins, and the
    process that serves the program to it."""
    account_slots: Count = Field(default=4, ge=1)
    """Runs of the engine at the same time in all processes together: they share the provider's
    account, and its rate of requests."""
    host_slots: Count = Field(default=2, ge=1)
    """Tenants on whose hosts something is done at the same time, on up to four hosts of each."""
    slot_wait: Duration = timedelta(minutes=1)
    """How long a tenant waits for a slot at most before it is looked at again: it is woken when one
    is free, unless the process that had it is dead."""
    poll: Duration = timedelta(milliseconds=500)
    """How often an idle worker checks for a tenant that is due."""
    stop_poll: Duration = timedelta(seconds=10)
    """How often a pass that runs looks for stops of people's mail, which wait for none of its
    operations."""
    lease: Duration = timedelta(seconds=60)
    """How long a pass may be silent before another process takes the tenant over."""
    retry_base: Duration = timedelta(seconds=2)
    """Upper bound of the first wait after a failure; doubles with each further one."""
    retry_cap: Duration = timedelta(minutes=5)
    """Upper bound of every wait after a failure."""
    resync: Duration = timedelta(minutes=10)
    """How often a tenant that is Ready is observed."""
    whole_pass: Duration = timedelta(hours=12)
    """After which a tenant is observed as a whole, although nothing has changed of what its last
    pass has read and asked. Zero: at each resync."""
    drain: Duration = timedelta(hours=48)
    """How long an address, a host or a domain's key that is no longer wanted is kept for the mail
    that hosts have to send: as long as a host tries."""
    cloud_deadline: Duration = timedelta(minutes=75)
    """How long one Pulumi operation may take: longer than the end of servers (30 minutes), and more
    requests than the provider's rate lets pass at once. It does not wait for new servers."""
    history: Duration = timedelta(days=90)
    """How long operations, their lines, and events are kept."""
    audit: Duration = timedelta(days=7 * 365)
    """How long events are kept that say what a person did."""
    silence: Duration = timedelta(minutes=90)
    """How long a pass that has a slot may show no progress, neither a step nor a line of an
    operation, before it is given up: longer than one operation may take."""
    look_silence: Duration = timedelta(minutes=15)
    """The same for a pass without a slot, which holds a worker."""
    stop_within: Duration = timedelta(seconds=60)
    """How long a pass may continue after SIGTERM before it is cancelled; the next one observes."""


class AuthoritySettings(BaseModel):
    """A public authority (ACME, RFC 8555). To use one is to agree to its terms."""

    directory: str = LETSENCRYPT
    """URL of its directory; empty: none, hosts show certificates of the tenant's own authority."""
    contact: MailAddress | None = None
    """Where it may write to."""
    eab_kid: str = ""
    """Key identifier of the external account binding, for authorities that want one."""
    eab_key_file: Path | None = None
    """Its key, base64url."""
    ca_file: Path | None = None
    """Certificates (PEM) by which its HTTPS is trusted; None: those that `requests` trusts."""


class CertificateSettings(BaseModel):
    """Certificates of public authorities, for port 25 of hosts and for names of links."""

    first: AuthoritySettings = AuthoritySettings()
    second: AuthoritySettings | None = None
    """Asked when the first one refuses or does not answer."""
    orders_a_week: Count = Field(default=45, ge=1)
    """New certificates of a registered domain at one authority; renewals are not counted. Let's
    Encrypt issues 50."""
    roots: Path | None = None
    """Certificates (PEM) that port 25 of hosts and names for links are verified by; None: those of
    the system."""

    @property
    def authorities(self) -> list[AuthoritySettings]:
        """Those in use, the preferred one first."""
        return [a for a in (self.first, self.second) if a is not None and a.directory]
