"""The ports of the reconciler; each has one real adapter and an in-memory one for tests."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import timedelta
from types import MappingProxyType
from typing import Literal, Protocol

from blueprint.document import Blueprint
from kit.faults import Actor, Code, Fault, reason_of

CERTIFICATE = "smtp.certificate"
"""Check of a public authority's certificate."""
INBOUND = "smtp.inbound"
"""Check that mail to a domain's addresses is accepted."""
BANNER = "smtp.banner"
"""Check that a port is open, and greets by the right name."""
Progress = Callable[[str], None]
"""Takes one line for the operation's log; must be cheap and must not raise."""


class LaterToken(Fault):
    """A host has begun a run under a later fencing token."""


@dataclass(frozen=True)
class ObservedAddress:
    """An observed address; `ip` is None until the provider's portal has assigned one."""

    name: str
    ip: str | None
    helo: str


@dataclass(frozen=True)
class ObservedHost:
    """An observed host."""

    name: str
    server_name: str
    service_id: int | None
    addresses: tuple[ObservedAddress, ...]

    @property
    def primary_ip(self) -> str | None:
        """The address that the VPS came with."""
        return self.addresses[0].ip if self.addresses else None


@dataclass(frozen=True)
class Held:
    """A zone whose records were not changed in this run: its look-up failed, or it is missing.

    Its domain waits, and the purchase of a host whose own names are in it.
    """

    zone: str
    code: str
    message: str
    remedy: str
    acts: Actor = Actor.USER

    @property
    def reason(self) -> str:
        """The code as a condition's reason."""
        return reason_of(self.code)

    @property
    def sentence(self) -> str:
        """The zone, what is wrong with it, and the remedy."""
        return f"zone/{self.zone}: {self.message}; {self.remedy}"


@dataclass(frozen=True)
class CloudState:
    """The observed state of a tenant's stack."""

    digest: str | None
    """Digest of the blueprint that was applied last; None when there is none."""
    hosts: tuple[ObservedHost, ...] = ()
    records: Mapping[str, str] = field(default_factory=dict)
    """Record key to provider record id."""
    pending: tuple[str, ...] = ()
    """Names of addresses that wait for the provider, or for its portal."""
    held: tuple[Held, ...] = ()
    """Zones that were not changed; while there is one, the stack is not settled."""
    generation: int | None = None
    """That of the blueprint that was applied last; None where it is not known."""
    written: str | None = field(default=None, compare=False)
    """When an engine wrote it last; another time than after our operation is of a run by hand."""


@dataclass(frozen=True)
class Change:
    """One step of a plan or an update."""

    operation: Literal["create", "update", "replace", "delete", "same", "import"]
    kind: str
    """Pulumi type token."""
    name: str
    detail: Sequence[str] = ()
    """Names of the changed properties."""


@dataclass(frozen=True)
class CloudPlan:
    """What an update would do."""

    changes: tuple[Change, ...]
    held: tuple[Held, ...] = ()
    """Zones that it would not change."""


class CloudEngine(Protocol):
    """The Pulumi engine for one tenant's stack. All calls block; run them in a thread."""

    def state(self, tenant: str) -> CloudState:
        """Read the stack's outputs; a stack that does not exist is an empty state."""

    def version(self, tenant: str) -> str | None:
        """Return what differs after each write of the stack's state, by a run of ours or another.

        It may be that of a minute ago. None: the stack does not exist.
        """

    def preview(self, blueprint: Blueprint, progress: Progress) -> CloudPlan:
        """Return what `up` would do."""

    def up(
        self,
        blueprint: Blueprint,
        progress: Progress,
        *,
        deadline: timedelta,
        fence: int | None = None,
        background: bool = False,
        refreshed: bool = False,
        forgotten: Collection[str] = (),
        replaced: int | None = None,
        lost_pointers: Collection[str] = (),
    ) -> CloudState:
        """Apply the blueprint. What is pending, an address or a new server, is reported in the
        state, not raised.

        `fence` is the token of the current lease: from now on no holder of a lower one can change
        anything of the tenant. A generation lower than the state's is refused, unless the state's
        is `replaced`. In the `background`, requests leave room for those of what a person has asked
        for. `refreshed` takes over first what the providers have changed, and then the
        reverse names of `lost_pointers` are set again. `forgotten` are zones of which an operator
        decided that their records are gone if the token does not reach them.
        """

    def destroy(
        self,
        tenant: str,
        progress: Progress,
        *,
        deadline: timedelta,
        fence: int | None = None,
        background: bool = False,
        forgotten: Collection[str] = (),
    ) -> None:
        """Delete everything of the tenant and the stack itself. Idempotent.

        Also terminates servers that were bought in a run that was interrupted before its state was
        written.
        """


@dataclass(frozen=True)
class Server:
    """A server as the provider shows it."""

    main_ip: str
    """Empty while it has none."""
    spam: tuple[str, ...] | None
    """What the provider lists of its mail as spam; None: it was not asked yet."""
    exists: bool = True
    """False: it has ended, as a key shows that reaches its account."""
    is_forgotten: bool = False
    """Whether the purchase of one that has ended is closed: another may be bought."""
    is_recent: bool = False
    """Whether one that has ended was ordered less than a day ago."""


@dataclass(frozen=True)
class Listing:
    """The servers of the provider's account, at one moment."""

    main_ips: Mapping[int, str]
    """Of each server, by its service id; empty while it has none."""
    finished: frozenset[str] = frozenset()
    """Names of those that are active, or have failed: the provider does not create them any
    more."""
    addresses: Mapping[int, frozenset[str]] = field(default_factory=dict)
    """All of each server, by its service id; none where the provider does not list them."""
    unended: Sequence[str] = ()
    """What is wrong with servers whose end the provider has accepted."""
    troubles: Mapping[int, str] = field(default_factory=dict)
    """Why servers do not run, or may not be changed, in a word or two."""


class Servers(Protocol):
    """The servers of the provider's account. All methods but `use` block; run them in a thread."""

    def listed(self) -> Listing | None:
        """List the account; None when the provider does not answer."""

    def spam(self, service_id: int) -> tuple[str, ...] | None:
        """Ask what the provider lists of a server's mail as spam; None without an answer."""

    def use(
        self,
        listed: Mapping[int, str] | None,
        spam: Mapping[int, tuple[str, ...]] = MappingProxyType({}),
    ) -> None:
        """Answer by a listing and by what is known of spam, also those of another process; None:
        the last listing is too old."""

    def look(
        self, service_ids: Collection[int], last: Mapping[int, str | None]
    ) -> Mapping[int, Server]:
        """Return those of these servers that the provider shows, or that have certainly ended;
        none when it does not answer.

        `last` has main addresses that a later listing may have shown than the one that is used:
        another process, or this one a moment ago, has made it. None: it has not the server.
        """

    def trouble(self, service_id: int) -> str | None:
        """Ask about one server why it does not run, or may not be changed; empty: neither. None
        without an answer, or when one was asked about a moment ago."""

    def forget(self, service_id: int) -> None:
        """Close the purchase of a server that has ended: another may be bought."""


@dataclass(frozen=True)
class SubmissionUser:
    """Who may submit mail at an address; the password is in `HostSecrets`."""

    address: str
    username: str
    senders: tuple[str, ...]
    """Return path domains the credential may use, e.g. `b.acme.example`."""


@dataclass(frozen=True)
class MailServer:
    """What differs between hosts whose mailboxes are Mailu's."""

    domain: str
    """Domain of its own mail, such as bounces; has the mailbox `postmaster`."""
    images: Mapping[str, str]
    """By service: the name by which the host pulls it, with its digest."""
    subnet: str = "192.168.203.0/24"
    """Network of its containers."""
    messages_a_day: int = 50
    """Mails that a mailbox may send; bulk does not pass here."""
    webmail: bool = False
    held: bool = False
    """Whether mail is refused for now: what the host has of before is to be moved first."""


@dataclass(frozen=True)
class MailServerSecrets:
    """Secrets of a host's Mailu."""

    api_token: str = field(repr=False)
    secret_key: str = field(repr=False)
    """Sixteen characters; sessions of the web pages are signed with it."""
    dkim: Mapping[str, str] = field(default_factory=dict, repr=False)
    """By domain: the private key (PEM) that Mailu signs with."""


@dataclass(frozen=True)
class HostSecrets:
    """Secrets of the playbooks, which are in no document; passed to Ansible by file only."""

    ssh_private_key: str = field(repr=False)
    tls_certificates: Mapping[str, tuple[str, str]] = field(repr=False)
    """HELO name to (certificate chain PEM, private key PEM), issued by the control plane's CA."""
    users: tuple[SubmissionUser, ...]
    password_hashes: Mapping[str, str] = field(repr=False)
    """By user name: the hash (SHA512-CRYPT) of a password for submission."""
    public_certificates: Mapping[str, tuple[str, str]] = field(default_factory=dict, repr=False)
    """The same by a public authority, where there is one; shown at port 25 of the name."""
    mail_server: MailServerSecrets | None = field(default=None, repr=False)


class Configurator(Protocol):
    """Configures a host by its blueprint. All calls block; run them in a thread."""

    def digests(
        self,
        blueprint: Blueprint,
        host: ObservedHost,
        users: Collection[SubmissionUser],
        *,
        mail_server: MailServer | None = None,
    ) -> tuple[str, str]:
        """Return the digests of what the playbooks read for a host, without secrets.

        The first is of what follows from the blueprint, the second of playbooks, settings and
        `mail_server`. Another one is a reason to run the playbooks again.
        """

    def first_contact(
        self,
        host: ObservedHost,
        *,
        ssh_public_key: str,
        password: str | None,
        progress: Progress,
        ssh_private_key: str | None = None,
    ) -> str:
        """Install our key with the provider's root password, once; return the host key line.

        Waits for SSH until its own deadline. With `ssh_private_key` a host that accepts our key
        already needs no password, and the key's login is tried at the end.
        """

    def configure(
        self,
        blueprint: Blueprint,
        host: ObservedHost,
        secrets: HostSecrets,
        *,
        known_host: str,
        progress: Progress,
        mail_server: MailServer | None = None,
        fence: int | None = None,
        discards: int | None = None,
    ) -> int:
        """Run the playbooks on one host; return the number of changed tasks.

        `mail_server` is what a host with Mailu gets, whose secrets are in `secrets`. `fence` is the
        token of the current lease: from now on no run with a lower one changes anything on the
        host. None: a run without a lease. `discards` is given for a host that loses Mailu: how many
        mails may go with it.
        """


@dataclass(frozen=True)
class Login:
    """How the control plane logs in at a host: as root, by the tenant's key, at one host key."""

    known_host: str
    private_key: str = field(repr=False)
    fence: int = 0
    """The token of the lease, with which changes pass the fence of the host. What only reads passes
    none."""


@dataclass(frozen=True)
class Finding:
    """The result of one check from outside, good or bad."""

    subject: str
    """`host/mx1`, `address/mx1-2` or `domain/acme.example`."""
    check: str
    """`dns.authoritative`, `dns.recursive`, `dns.manual`, `dns.servers`, `fcrdns`, `smtp.banner`,
    `smtp.tls`, `smtp.auth`, `smtp.relay`, `smtp.inbound`, `smtp.certificate`, `smtp.outbound`,
    `ports`, `mail.in`, `mail.out`, `links.name` or `links.https`."""
    ok: bool | None
    """None: could not be checked."""
    message: str
    code: Code | None = None
    """What is wrong, or why it could not be checked; of a right one: a remark."""
    remedy: str = ""
    acts: Actor | None = None
    """Who has to act; None: whom the code names."""
    gone: bool = False
    """Our key or host is not there, so mail fails from now on."""
    outdated: bool = False
    """The host does not run the current configuration: it is configured again."""
    asks: bool = False
    """Whether a correct one still requires an action."""

    @classmethod
    def of(cls, subject: str, check: str, fault: Fault, *, checked: bool = True) -> Finding:
        """Return the finding that something is wrong, or could not be checked."""
        return cls(
            subject, check, False if checked else None, fault.message, fault.code, fault.remedy
        )

    @classmethod
    def remark(cls, subject: str, check: str, fault: Fault) -> Finding:
        """Return the finding that something is right, with a remark."""
        return replace(cls.of(subject, check, fault), ok=True)


class Verifier(Protocol):
    """Checks names and hosts from outside."""

    async def verify_dns(self, blueprint: Blueprint, state: CloudState) -> Sequence[Finding]:
        """Every record at the authoritative and at the recursive server; FCrDNS per address."""

    async def verify_hosts(
        self,
        blueprint: Blueprint,
        state: CloudState,
        *,
        authority: str,
        logins: Mapping[str, Login],
        unchanged_for: timedelta,
        public_names: Collection[str] = (),
        settled_for: timedelta = timedelta.max,
    ) -> Sequence[Finding]:
        """Banner, TLS and a relay attempt at each port, and from each address mail that leaves.

        At each address of a host that was configured exactly the ports of the host's list answer.

        `authority` is the tenant's own certificate authority (PEM), the only one trusted. `logins`
        has the hosts that were configured, by name: they are asked whether mail leaves.
        `unchanged_for` is the time since addresses or firewalls may have changed at the provider:
        what was seen before does not count. `public_names` are HELO names that show the certificate
        of a public authority at port 25. `settled_for` is the time since a host, or its provider's
        firewall, may have changed.
        """


class Links(Protocol):
    """Names for links in mail, as recipients reach them."""

    async def look(self, blueprint: Blueprint) -> Sequence[Finding]:
        """Return of each domain with such a name whether it leads to the public address and, if so,
        whether the public endpoints of this installation answer there by HTTPS."""
