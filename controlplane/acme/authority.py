"""The `Authority` of the reconciler, by the library `acme`.

Each request is one of the protocol's own, so that what an answer says is stored before the next.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import timedelta
from typing import Any, TypeVar

import requests
from acme import challenges, client, errors, messages
from cryptography import x509
from josepy.errors import DeserializationError
from josepy.interfaces import JSONDeSerializable
from josepy.jwa import ES256
from josepy.jwk import JWKEC

from controlplane.acme.refusals import refused, seconds_of, text_of, tried_again
from controlplane.certificates.keys import load_key
from controlplane.certificates.repository import Challenge
from controlplane.reconciler.authority import Account, Order, OrderStatus, Proof
from controlplane.settings import AuthoritySettings

USER_AGENT = "PenguinMails"
TIMEOUT = 30
"""Seconds for one request."""
KINDS = {Challenge.DNS: challenges.DNS01, Challenge.HTTP: challenges.HTTP01}

T = TypeVar("T")


class AcmeAuthority:
    """The authorities of the settings. An object serves all threads: it holds no connection."""

    def __init__(self, authorities: Sequence[AuthoritySettings]) -> None:
        self._settings = {authority.directory: authority for authority in authorities}

    @property
    def directories(self) -> Sequence[str]:
        """URLs of the authorities, the preferred one first."""
        return list(self._settings)

    def register(self, account: Account) -> str:
        """Register an account, or find it by its key; the authority's terms are agreed to."""
        settings = self._settings[account.directory]

        def ask(session: _Session) -> str:
            binding = None
            if settings.eab_kid and settings.eab_key_file:
                binding = messages.ExternalAccountBinding.from_data(
                    session.key.public_key(),
                    settings.eab_kid,
                    settings.eab_key_file.read_text().strip(),
                    session.client.directory,
                )
            request = messages.NewRegistration.from_data(
                email=settings.contact,
                terms_of_service_agreed=True,
                external_account_binding=binding,
            )
            try:
                return str(session.client.new_account(request).uri)
            except errors.ConflictError as known:
                return str(known.location)

        return self._ask(account, ask)

    def order(self, account: Account, name: str) -> str:
        """Order a certificate for a name."""
        identifier = messages.Identifier(typ=messages.IDENTIFIER_FQDN, value=name)
        request = messages.NewOrder(identifiers=[identifier])

        def ask(session: _Session) -> str:
            answer = session.post(session.client.directory["newOrder"], request)
            return str(answer.headers["Location"])

        return self._ask(account, ask)

    def look(self, account: Account, url: str, challenge: Challenge) -> Order:
        """Return an order, with what waits for us."""
        return self._ask(account, lambda session: session.order(url, challenge))

    def answer(self, account: Account, proof: Proof) -> None:
        """Ask the authority to look at an answer."""
        response = challenges.DNS01Response(key_authorization=proof.key_authorization)
        self._ask(account, lambda session: session.post(proof.url, response))  # an empty object

    def finalize(self, account: Account, url: str, request: bytes) -> None:
        """Give the signing request of an order that is ready."""
        wrapped = messages.CertificateRequest(csr=x509.load_pem_x509_csr(request))

        def ask(session: _Session) -> None:
            body = messages.Order.from_json(session.read(url).json())
            session.post(body.finalize, wrapped)

        self._ask(account, ask)

    def chain(self, account: Account, url: str) -> str:
        """Return the chain of a valid order."""

        def ask(session: _Session) -> str:
            body = messages.Order.from_json(session.read(url).json())
            return str(session.read(str(body.certificate)).text)

        return self._ask(account, ask)

    def _ask(self, account: Account, ask: Callable[[_Session], T]) -> T:
        """Ask with a session of its own; raises Refused."""
        session = _Session(account, self._settings[account.directory])
        try:
            session.connect()
            return tried_again(lambda: ask(session))
        except (
            messages.Error,
            errors.Error,
            requests.RequestException,
            DeserializationError,
            ValueError,
            KeyError,
            OSError,
        ) as error:
            raise refused(error, session.retry_after) from error
        finally:
            session.close()


class _Session:
    """The requests of one account at one authority."""

    def __init__(self, account: Account, settings: AuthoritySettings) -> None:
        self.key = JWKEC(key=load_key(account.private_key))
        self._directory = account.directory
        self._network = client.ClientNetwork(
            self.key, alg=ES256, user_agent=USER_AGENT, timeout=TIMEOUT
        )
        if settings.ca_file is not None:
            # Its type says bool; it is what `requests` takes as `verify`.
            self._network.verify_ssl = str(settings.ca_file)  # type: ignore[assignment]
        if account.url:
            body = messages.Registration()
            self._network.account = messages.RegistrationResource(uri=account.url, body=body)
        self._network.session.hooks["response"].append(self._keep_wait)
        self.retry_after: str | None = None
        """Of the last answer, which errors of the library omit."""

    def connect(self) -> None:
        """Read the directory, which is the only request that is not signed."""
        directory = client.ClientV2.get_directory(self._directory, self._network)
        self.client = client.ClientV2(directory, self._network)

    def post(self, url: str, body: JSONDeSerializable | None) -> requests.Response:
        """Post a signed request; without a body it reads (RFC 8555 6.3)."""
        nonces = self.client.directory["newNonce"]
        return self._network.post(url, body, new_nonce_url=nonces)

    def read(self, url: str) -> requests.Response:
        """Read by a signed request."""
        return self.post(url, None)

    def order(self, url: str, challenge: Challenge) -> Order:
        """Read an order, and while it is pending its authorizations."""
        answer = self.read(url)
        body = messages.Order.from_json(answer.json())
        status = OrderStatus(body.status.name)
        seconds = seconds_of(answer.headers.get("Retry-After"))
        wait = None if seconds is None else timedelta(seconds=seconds)
        reason, proofs = text_of(body.error) if body.error else "", list[Proof]()
        if status in (OrderStatus.PENDING, OrderStatus.INVALID):
            for authorization in body.authorizations:
                authorized = messages.Authorization.from_json(self.read(authorization).json())
                for offered in authorized.challenges:
                    if isinstance(offered.chall, KINDS[challenge]):
                        reason = text_of(offered.error) if offered.error else reason
                        if offered.status == messages.STATUS_PENDING and not offered.error:
                            proofs.append(self._proof(offered))
        return Order(status, proofs, reason, wait)

    def _proof(self, offered: messages.ChallengeBody) -> Proof:
        chall = offered.chall
        return Proof(
            url=str(offered.uri),
            token=chall.encode("token"),
            key_authorization=chall.key_authorization(self.key),
            digest=challenges.DNS01(token=chall.token).validation(self.key),
        )

    def close(self) -> None:
        """Close its connections."""
        self._network.session.close()

    def _keep_wait(self, response: requests.Response, **_: Any) -> None:
        headers: Mapping[str, str] = response.headers
        self.retry_after = headers.get("Retry-After")
