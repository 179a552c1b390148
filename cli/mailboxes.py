"""`penguin mailboxes`: tokens of mail clients, the password of the web pages, and settings."""

from __future__ import annotations

from typing import Annotated

import typer

from cli.api import Api, connect, path_of, tenant_path
from cli.bulk import YesOption
from cli.consent import require_consent
from cli.faults import USAGE
from cli.output import Format, OutputOption, plain, print_document, print_result, print_rows
from controlplane.inventory.schemas import MailboxPage
from controlplane.mailboxes.schemas import NewPassword, NewToken, SettingsView, TokenList

app = typer.Typer(
    help="How people get into their mailbox, on hosts with Mailu.", no_args_is_help=True
)
COLUMNS = ("name", "created", "networks")
AddressArgument = Annotated[str, typer.Argument(metavar="ADDRESS", help="of the mailbox")]


@app.command()
def token(
    address: AddressArgument,
    name: Annotated[str, typer.Option("--name", help="of the mail client, such as Thunderbird")],
    output: OutputOption = Format.TABLE,
) -> None:
    """Make a token: the password for one mail client. It is shown only now."""
    api = connect()
    made = api.post(f"{_path(api, address)}/tokens", NewToken, {"name": name})
    line = f"token {made.name} of {address} made; it is shown only now:\n{made.token}"
    print_result(line, made, output)


@app.command()
def tokens(address: AddressArgument, output: OutputOption = Format.TABLE) -> None:
    """List the tokens of a mailbox, those that its owner made too."""
    api = connect()
    items = api.get(f"{_path(api, address)}/tokens", TokenList).items
    rows = [plain(item) for item in items]
    if output is Format.TABLE:
        rows = [{**row, "networks": ", ".join(row["networks"]) or "(all)"} for row in rows]
    print_rows(rows, COLUMNS, output)


@app.command()
def revoke(
    address: AddressArgument,
    name: Annotated[str, typer.Argument(metavar="NAME", help="as `tokens` lists it")],
    yes: YesOption = False,
    output: OutputOption = Format.TABLE,
) -> None:
    """Revoke a token: the mail client that uses it gets in no more."""
    command = f"penguin mailboxes revoke {address} '{name}'"
    if not yes:
        require_consent(f"Revoke the token {name} of {address}?", command)
    api = connect()
    api.delete(f"{_path(api, address)}{path_of('tokens', name)}")
    done = {"address": address, "name": name, "outcome": "revoked"}
    print_result(f"token {name} of {address} revoked", done, output)


@app.command()
def password(
    address: AddressArgument, yes: YesOption = False, output: OutputOption = Format.TABLE
) -> None:
    """Set a new password for the web pages. It is shown only now; tokens stay."""
    if not yes:
        question = f"Replace the password of {address}?"
        require_consent(question, f"penguin mailboxes password {address}")
    api = connect()
    made = api.post(f"{_path(api, address)}/password", NewPassword, {})
    line = f"new password of {address} for the web pages; it is shown only now:\n{made.password}"
    print_result(line, made, output)


@app.command()
def settings(address: AddressArgument, output: OutputOption = Format.TABLE) -> None:
    """Show what a person enters into a mail client."""
    api = connect()
    found = api.get(f"{_path(api, address)}/settings", SettingsView)
    if output is not Format.TABLE:
        print_document(found, output)
        return
    for title, value in {
        "Incoming mail": f"IMAP, {found.imap_host}, port {found.imap_port}, SSL/TLS",
        "Outgoing mail": f"SMTP, {found.submission_host}, port {found.submission_port}, SSL/TLS",
        "User name": found.user,
        "Password": f"a token: `penguin mailboxes token {address} --name Thunderbird`",
        "Mind": found.warning,
    }.items():
        print(f"{title + ':':<15}{value}")


def _path(api: Api, address: str) -> str:
    """Return the path of a mailbox: its tenant is looked up."""
    found = api.get("/mailboxes", MailboxPage, name=address.lower()).items
    if not found:
        raise USAGE(
            mistake=f"there is no mailbox {address}",
            remedy="give one that `penguin get mailboxes` lists",
        )
    return f"{tenant_path(found[0].tenant)}{path_of('mailboxes', found[0].name)}"
