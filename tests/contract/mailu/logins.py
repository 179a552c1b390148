"""Logins as nginx and Dovecot's proxy ask for them."""

from __future__ import annotations

from base64 import b64encode
from urllib.parse import quote

from .client import Answer, Client

RIGHT, WRONG, BLOCKED = "right", "wrong", "blocked"
TOO_MANY = ("LIMIT", "451 4.3.2", "-ERR [LOGIN-DELAY]")
"""How the codes of IMAP, SMTP and POP3 begin that say so; texts may differ."""


def ask(client: Client, **headers: str) -> Answer:
    """Send nginx's authentication request: check a login, or route mail that needs none."""
    given = {
        "Auth-Method": "plain",
        "Auth-Protocol": "imap",
        "Auth-Port": "993",
        "Client-Port": "40000",
        **{name.replace("_", "-"): value for name, value in headers.items()},
    }
    answer = client.plain("GET", "/internal/auth/email", headers=given)
    assert answer.status_code == 200
    return answer


def login(
    client: Client,
    user: str,
    password: str,
    address: str,
    protocol: str = "imap",
    port: str = "993",
) -> str:
    """Log in to the mail server."""
    answer = ask(
        client,
        Auth_User=quote(user),
        Auth_Pass=quote(password),
        Client_Ip=address,
        Auth_Protocol=protocol,
        Auth_Port=port,
    )
    if answer.headers["Auth-Status"] == "OK":
        return RIGHT
    return BLOCKED if answer.headers["Auth-Error-Code"].startswith(TOO_MANY) else WRONG


def web_login(client: Client, user: str, password: str, address: str) -> int:
    """Log in to what the web server protects by HTTP's Basic scheme."""
    given = b64encode(f"{user}:{password}".encode()).decode()
    headers = {"Authorization": f"Basic {given}", "X-Real-IP": address}
    return client.plain("GET", "/internal/auth/basic", headers=headers).status_code
