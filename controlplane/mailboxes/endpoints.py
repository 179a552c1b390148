"""`/api/v1/tenants/{name}/mailboxes/{address}`: tokens, password and settings of a mailbox."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Path, Request, status

from blueprint.document import Host
from blueprint.fields import Text
from blueprint.mail_address import folded
from controlplane.faults import (
    KEYS_PENDING,
    MAILBOX_BUSY,
    MAILBOX_ELSEWHERE,
    MAILBOX_UNANSWERED,
    NOT_FOUND,
)
from controlplane.identity.access import Access, GuardedRoute, Reader, Writer
from controlplane.mailboxes import service
from controlplane.mailboxes.repository import Action
from controlplane.mailboxes.schemas import (
    NewPassword,
    NewToken,
    SettingsView,
    TokenList,
    TokenRequest,
)
from controlplane.mailu.client_settings import settings_of
from controlplane.mailu.faults import NO_MAILBOX, NO_TOKEN, TOKEN_EXISTS
from controlplane.problems import responses
from controlplane.tenants import service as tenants
from controlplane.tenants.repository import TenantRow

router = APIRouter(tags=["mailboxes"], route_class=GuardedRoute)
Tenant = Annotated[Text, Path(description="the tenant's name", examples=["acme"])]
Address = Annotated[Text, Path(description="of the mailbox", examples=["ann@acme.example"])]
Token = Annotated[Text, Path(description="the token's name", examples=["Thunderbird"])]
ASKED = (NOT_FOUND, KEYS_PENDING, MAILBOX_ELSEWHERE, MAILBOX_BUSY, MAILBOX_UNANSWERED, NO_MAILBOX)
ROOT = "/tenants/{name}/mailboxes/{address}"


@dataclass(frozen=True)
class Mailbox:
    """A declared mailbox, and the host on which people log in to it."""

    access: Access
    tenant: TenantRow
    host: Host
    address: str

    async def ask(self, request: Request, action: Action, name: str = "") -> dict[str, Any]:
        """Ask the reconciler."""
        now = request.app.state.clock()
        return await service.ask(
            self.access, self.tenant, self.host, action, self.address, name, now=now
        )


async def _mailbox(access: Access, request: Request, name: str, address: str) -> Mailbox:
    async with access.begin() as connection:
        tenant = await tenants.find(connection, name)
        blueprint = await tenants.blueprint_of(connection, tenant, request.app.state.platform)
    address = folded(address)
    return Mailbox(access, tenant, service.host_of(blueprint, address), address)


async def _read(access: Reader, request: Request, name: Tenant, address: Address) -> Mailbox:
    return await _mailbox(access, request, name, address)


async def _written(access: Writer, request: Request, name: Tenant, address: Address) -> Mailbox:
    return await _mailbox(access, request, name, address)


Readable = Annotated[Mailbox, Depends(_read)]
Writable = Annotated[Mailbox, Depends(_written)]


@router.get(f"{ROOT}/settings", responses=responses(NOT_FOUND, KEYS_PENDING, MAILBOX_ELSEWHERE))
async def show_mailbox_settings(box: Readable) -> SettingsView:
    """Show what a person enters into a mail client."""
    return SettingsView(**asdict(settings_of(box.address, box.host.primary.helo)))


@router.get(f"{ROOT}/tokens", responses=responses(*ASKED))
async def list_mailbox_tokens(box: Readable, request: Request) -> TokenList:
    """List the tokens of mail clients, those that a person made in the web pages too."""
    return TokenList.model_validate(await box.ask(request, Action.TOKENS))


@router.post(
    f"{ROOT}/tokens",
    status_code=status.HTTP_201_CREATED,
    responses=responses(*ASKED, TOKEN_EXISTS),
)
async def make_mailbox_token(body: TokenRequest, box: Writable, request: Request) -> NewToken:
    """Make a token for a mail client; it is shown only now."""
    return NewToken.model_validate(await box.ask(request, Action.MAKE, body.name))


@router.delete(
    f"{ROOT}/tokens/{{token}}",
    status_code=status.HTTP_204_NO_CONTENT,
    responses=responses(*ASKED, NO_TOKEN),
)
async def revoke_mailbox_token(token: Token, box: Writable, request: Request) -> None:
    """Revoke all tokens of a name: a mail client that uses one gets in no more."""
    await box.ask(request, Action.REVOKE, token)


@router.post(f"{ROOT}/password", responses=responses(*ASKED))
async def set_mailbox_password(box: Writable, request: Request) -> NewPassword:
    """Set a new password for the web pages; it is shown only now, and tokens stay."""
    return NewPassword.model_validate(await box.ask(request, Action.PASSWORD))
