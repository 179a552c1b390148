"""The part `front`: nginx for web and port 25, and a Dovecot that passes logins on."""

from __future__ import annotations

import json
import shutil
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from lab.mailu.container import certificates, environment, processes, texts

NGINX = Path("/etc/nginx/nginx.conf")
DOVECOT = Path("/etc/dovecot")
PROTOCOLS = {465: "submission", 993: "imap"}


def start(arguments: Sequence[str], environ: Mapping[str, str]) -> None:
    """Write the configuration, and run the servers; Dovecot only where a certificate is."""
    known = environment.read(environ)
    admin, smtp = known.address("admin"), known.address("smtp")
    processes.DOVECOT_PID.unlink(missing_ok=True)
    seen = json.dumps(certificates.state())
    write_nginx(known, admin)
    commands: list[processes.Command] = [
        ("nginx", "-g", "daemon off;", *arguments),
        ("python3", "-m", "lab.mailu.container.watcher", admin, seen),
    ]
    protocols = [name for port, name in PROTOCOLS.items() if port in known.ports]
    if protocols and certificates.exist():
        texts.write(DOVECOT / "stand-in.conf", proxy(known, smtp, protocols))
        texts.write(DOVECOT / "login.lua", texts.text_of("login.lua", admin=admin))
        commands.append(("dovecot", "-F", "-c", str(DOVECOT / "stand-in.conf")))
    elif protocols:
        missing = f"stand-in: no certificate in {certificates.DIRECTORY}: no logins of clients"
        print(missing, file=sys.stderr, flush=True)
    processes.run(commands, environ)


def write_nginx(known: environment.Environment, admin: str) -> None:
    """Write the configuration that fits the certificate that is there now."""
    shutil.rmtree("/etc/nginx/sites-enabled", ignore_errors=True)
    text = nginx(known, admin, encrypted=certificates.exist())
    texts.write(NGINX, text)


def nginx(known: environment.Environment, admin: str, *, encrypted: bool) -> str:
    """Return nginx's configuration: without a certificate no STARTTLS and no port 443."""
    values = {
        "certificate": certificates.CERTIFICATE,
        "key": certificates.KEY,
        "size_limit": known.size_limit,
    }
    path = known.values.get("WEB_API", "/api")
    api = texts.text_of("nginx_api.conf", path=path, admin=admin)
    locations = texts.text_of(
        "nginx_locations.conf",
        api=api if known.yes("API", "false") else "",
        webmail=webmail(known, admin) if known.webmail else "",
    )
    plain = "return 301 https://$host$request_uri;" if encrypted else locations
    web = ""
    if 80 in known.ports:
        web += texts.text_of("nginx_http.conf", plain=plain)
    if 443 in known.ports and encrypted:
        web += texts.text_of("nginx_https.conf", locations=locations, **values)
    starttls = texts.text_of("nginx_starttls.conf", **values) if encrypted else ""
    mail = texts.text_of("nginx_smtp.conf", starttls=starttls, size_limit=known.size_limit)
    return texts.text_of(
        "nginx.conf",
        workers=known.values.get("CPU_COUNT") or "auto",
        web=web,
        mail=mail if 25 in known.ports else "",
        admin=admin,
        hostname=known.hostname,
        resolver=" ".join(environment.resolvers()),
    )


def webmail(known: environment.Environment, admin: str) -> str:
    """Return where webmail is, for people who have logged in; it may have another address later."""
    return texts.text_of(
        "nginx_webmail.conf",
        root=known.values.get("WEB_WEBMAIL", "/webmail"),
        webmail=known.values.get("WEBMAIL_ADDRESS", "webmail"),
        admin=admin,
    )


def proxy(known: environment.Environment, smtp: str, protocols: Sequence[str]) -> str:
    """Return the configuration of the Dovecot that passes logins on."""
    return texts.text_of(
        "proxy.conf",
        protocols=" ".join(protocols),
        hostname=known.hostname,
        certificate=certificates.CERTIFICATE,
        key=certificates.KEY,
        size_limit=known.size_limit,
        smtp=smtp,
        webmail=texts.text_of("proxy_webmail.conf", subnet=known.subnet) if known.webmail else "",
    )
