"""Carries one claimed message as far as it goes: compose, hand over.

The intent is committed when the host waits for the mail's last bytes: what is refused before needs
none, and a crash leaves the outcome unknown only while the answer to the mail is awaited.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import timedelta
from uuid import UUID

import structlog

from kit.faults import Fault
from sender import directory, smtp
from sender.clock import Clock
from sender.composer import Composer
from sender.dispatch.accounting import Place, cancelled, recipient_suppressed, report_of
from sender.dispatch.keys import Opener
from sender.dispatch.stopped import OF_MESSAGES, stopped
from sender.dispatch.suppressed import Suppressed
from sender.dispatch.tenants import Route, Tenants
from sender.outbox import decoded, message_id
from sender.queue import Attempt, Job, Lost, Outcome, Refused
from sender.queue import State as Queued
from sender.queue.model import RELEASED
from sender.queue.outages import AWAY
from sender.queue.retries import delay
from sender.reasons import ADDRESS_DRAINING, DOMAIN_UNKNOWN, HOST_REFUSED, SUPPRESSED
from sender.schemas import OutgoingMessage, State
from sender.smtp import Egress, Envelope, Result, Stage
from sender.suppression import recipient_hash
from sender.tokens import Tokens
from sender.unsubscribing_mail import mailto
from vault import VaultError

LIFE = timedelta(hours=48)
"""How long a message is tried, from the first attempt on."""
LOCKED = 6
"""The attempt whose delay mail waits that no key opens: people must put that right."""
PASSWORDS = 10_000
"""Opened passwords that are kept; above it all are forgotten."""
WORDS = {
    Result.ACCEPTED: "accepted by {helo}",
    Result.BUSY: "temporarily refused by {helo}",
    Result.BROKEN: "nothing was sent to {helo}: {reply}",
    Result.REFUSED: "{helo} refuses mail, whatever the message: look at its configuration and log",
    Result.CONTENT: "rejected by {helo}",
    Result.UNKNOWN: "the connection broke before {helo} confirmed the mail; it is not sent again",
}
"""What `explain` says of a hand-over."""
Facts = dict[str, str | int | None]
log = structlog.get_logger(__name__)


@dataclass
class Sending:
    """The handler of the queue's worker."""

    tenants: Tenants
    egress: Egress
    vault: Opener
    composer: Composer
    tokens: Tokens
    public_url: str
    clock: Clock
    max_attempts: int
    learn: Callable[[Job], Awaitable[None]]
    """Lets the bucket and the tenant of a job that another sender has claimed be known."""
    suppressed: Suppressed
    """Who gets no mail, before a connection is opened for it."""
    unsubscribe_address: str | None = None
    """Whose mail unsubscribes, too."""
    _passwords: dict[tuple[UUID, str], tuple[str, str]] = field(default_factory=dict, repr=False)
    """As they are sealed and as they are opened, by tenant and name of the address."""

    async def __call__(self, attempt: Attempt) -> Outcome:
        """Return what became of a message."""
        try:
            return await self._carry(attempt)
        except Lost:
            raise
        except Exception as error:  # one message must not go round for ever without a reason
            if isinstance(error, AWAY) and not attempt.has_begun:
                return RELEASED
            log.exception("sender.failed", job=str(attempt.job.id))
            words = "internal error of the sender; its log holds the traceback"
            if attempt.has_begun:
                facts = _facts(attempt.job)
                return _outcome(Queued.UNKNOWN, State.UNKNOWN, "internal_error", words, facts)
            return self._failed(attempt.job, "internal_error", words, _facts(attempt.job))
        finally:
            self.tenants.answered(attempt.job.bucket_id)

    async def _carry(self, attempt: Attempt) -> Outcome:
        job = attempt.job
        message = decoded(job.body)
        if not self.tenants.knows(job.bucket_id):
            await self.learn(job)
        stop = self.tenants.stop_of(job.bucket_id, message)
        if stop is not None and stop.scope in OF_MESSAGES:
            return stopped(stop, self.tenants.apart(job.bucket_id, message))
        route = self.tenants.route(job.bucket_id)
        if route is None:
            return RELEASED
        if reasons := await self.suppressed.reasons(job.tenant_id, message.to):
            return recipient_suppressed(reasons)
        address = route.address
        try:
            mail = await self._write(job, message, route)
            password = self._password(job, address)
        except VaultError as fault:  # nothing of this message was tried
            facts = _facts(job, address)
            return self._later(fault.code.name, fault.message, facts, delay(LOCKED))
        except Fault as fault:  # what cannot be written never can
            return cancelled(fault.code.name, fault.message)
        return await self._hand_over(attempt, message, route, password, mail)

    async def _hand_over(
        self,
        attempt: Attempt,
        message: OutgoingMessage,
        route: Route,
        password: str,
        mail: bytes,
    ) -> Outcome:
        job = attempt.job
        place = _place(message, recipient_hash(message.to), route)
        sender = self.tokens.return_path(job.id, route.address.ip, route.domain.return_path)
        try:
            done = await self.egress.hand_over(
                route.address,
                password,
                Envelope(sender, message.to),
                mail,
                lambda: attempt.begin(route.address.name, place),
            )
        except Refused as refused:
            if refused.outcome.reason == SUPPRESSED:
                self.suppressed.met(job.tenant_id)
            if refused.outcome.reason in (ADDRESS_DRAINING, DOMAIN_UNKNOWN):
                self.tenants.changed.add(job.tenant_id)
            if refused.outcome.state is Queued.RELEASED:
                self.tenants.reconsider_bucket(job.bucket_id)
            return refused.outcome
        return self._handed_over(job, route, done)

    def _handed_over(self, job: Job, route: Route, done: smtp.Outcome) -> Outcome:
        address = route.address
        is_untried = done.stage is Stage.WAITING and done.result is not Result.CONTENT
        result = Result.BROKEN if is_untried else done.result
        words = WORDS[result].format(helo=address.helo, reply=done.reply)
        facts = _facts(job, address) | {"reply": done.reply, "queue_id": done.queue_id}
        if is_untried:  # the result is the one of the mail that the address failed with
            return self._later(done.reason, words, facts, delay(job.attempts + 1))
        match result:
            case Result.BUSY | Result.BROKEN:
                return self._failed(job, done.reason, words, facts)
            case Result.REFUSED:
                return self._refused_here(job, address.ip, words, facts)
            case Result.CONTENT:
                state = State.BOUNCED_CONTENT
                return _outcome(Queued.DEAD, state, done.reason, words, facts)
            case Result.UNKNOWN:
                return _outcome(Queued.UNKNOWN, State.UNKNOWN, done.reason, words, facts)
            case Result.ACCEPTED:
                return _outcome(Queued.DONE, State.ACCEPTED, done.reason, words, facts)

    def _refused_here(self, job: Job, ip: str, words: str, facts: Facts) -> Outcome:
        """Hold the address: what is refused is not the mail."""
        later = self._later(HOST_REFUSED, words, facts, delay(job.attempts + 1))
        return later._replace(life=LIFE, data=later.data | {"held_ip": ip})

    def _failed(self, job: Job, reason: str, words: str, facts: Facts) -> Outcome:
        """Try again later, or give up after too many attempts."""
        if job.attempts + 1 >= self.max_attempts:
            state = State.BOUNCED_INFRASTRUCTURE
            return _outcome(Queued.DEAD, state, reason, words, facts)
        later = self._later(reason, words, facts, delay(job.attempts + 1))
        return later._replace(spent=1, life=None if job.attempts else LIFE)

    def _later(self, reason: str, words: str, facts: Facts, wait: timedelta) -> Outcome:
        """Try again later; no attempt is spent."""
        facts = facts | {"until": (self.clock.now() + wait).isoformat()}
        tried = _outcome(Queued.RETRY, State.DEFERRED, reason, words, facts)
        return tried._replace(delay=wait, spent=0)

    async def _write(self, job: Job, message: OutgoingMessage, route: Route) -> bytes:
        token = self.tokens.unsubscribe(job.tenant_id, recipient_hash(message.to))
        address = self.unsubscribe_address
        return await self.composer.write(
            message,
            tenant_id=job.tenant_id,
            domain=route.domain,
            footer=route.footer,
            message_id=message_id(job.id, message.from_address),
            unsubscribe_url=f"{route.domain.links(self.public_url)}/u/{token}",
            unsubscribe_mail=address and mailto(address, token),
            now=self.clock.now(),
        )

    def _password(self, job: Job, address: directory.SendingAddress) -> str:
        """Return the password of an address, which is opened once until it changes."""
        key = (job.tenant_id, address.name)
        sealed, password = self._passwords.get(key, ("", ""))
        if sealed != address.sealed_password:
            context = directory.password_context(job.tenant_id, address.name)
            password = self.vault.open(address.sealed_password, context=context).decode()
            if len(self._passwords) >= PASSWORDS:
                self._passwords.clear()
            self._passwords[key] = (address.sealed_password, password)
        return password


def _place(message: OutgoingMessage, recipient: bytes, route: Route) -> Place:
    return Place(
        recipient=recipient.hex(),
        bucket=route.bucket,
        mailbox=route.mailbox,
        domain=route.domain.name,
        provider=route.provider,
        campaign=message.campaign,
        queue=message.queue,
        address=route.address.name,
        takes=route.takes,
        homely=route.homely,
    )


def _facts(job: Job, address: directory.SendingAddress | None = None) -> Facts:
    facts: Facts = {"attempt": job.attempts + 1}
    if address is not None:
        facts |= {"address": address.name, "ip": address.ip, "helo": address.helo}
    return facts


def _outcome(state: Queued, shown: State, reason: str, words: str, facts: Facts) -> Outcome:
    """Return an outcome whose note says which address, and as what it is queued there."""
    note = " ".join(str(facts[name]) for name in ("address", "queue_id") if facts.get(name))
    kept = None if state is Queued.DONE else reason
    report = report_of("outcome", shown, reason, words, facts)
    return Outcome(state, kept, words, note=note or None, data=report)
