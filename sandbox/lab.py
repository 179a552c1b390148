"""`penguin lab`: an Internet on this machine: providers, hosts, DNS, mail."""

from __future__ import annotations

import shlex
from typing import Annotated, Any

import typer

from cli.faults import USAGE
from cli.options import real_number, whole_number
from cli.output import (
    Format,
    OutputOption,
    print_document,
    print_result,
    print_rows,
    progress_stream,
)
from kit.paths import cache_dir
from lab import check, control, leftovers
from lab.asking import ask
from lab.faults import NO_RECEIVER, NOT_RUNNING
from lab.receiver import messages, sender_of, wait_for_message
from lab.registry import order
from lab.running import RunningLab, required, running
from sandbox import local

app = typer.Typer(help="The lab: provider emulators, hosts, DNS.", no_args_is_help=True)
zone_app = typer.Typer(help="Zones of the Cloudflare account.", no_args_is_help=True)
app.add_typer(zone_app, name="zone")

BARE = "the lab runs, and its hosts begin without packages"
ARRIVAL = 60
"""Seconds that `inbox --wait` waits for a message."""


@app.command()
def up(
    api_only: Annotated[bool, typer.Option("--api-only", help="No real hosts")] = False,
    golden: Annotated[
        bool, typer.Option("--golden", help="Hosts begin with all packages installed")
    ] = False,
    output: OutputOption = Format.TABLE,
) -> None:
    """Start the lab, unless it runs."""
    if api_only and golden:
        raise USAGE(mistake="--golden is about real hosts", remedy="leave out one of the options")
    stream = progress_stream(output)
    missing = "--api-only was given" if api_only else check.missing(local.lab_dir())
    if missing is not None:
        print(f"  ! no real hosts here: {missing}; running at API level", file=stream)
    lab = control.start(
        local.lab_dir(),
        local.journal_environment(),
        lambda line: print(f"  ✓ {line}", file=stream, flush=True),
        missing=missing,
        golden=golden,
    )
    if golden and not lab.golden:
        remedy = "run `penguin lab down` first"
        raise USAGE(mistake=BARE, remedy=remedy)
    result = {"kind": "lab", "outcome": "running", "pid": lab.pid, "level": lab.level}
    print_result(f"the lab runs (process {lab.pid}, level {lab.level})", result, output)


@app.command()
def down(output: OutputOption = Format.TABLE) -> None:
    """Stop the lab and remove everything that it created. Can be repeated."""
    line = "the lab has ended" if control.stop(local.lab_dir()) else "no lab was running"
    print_result(line, {"kind": "lab", "outcome": line}, output)


@app.command()
def status(output: OutputOption = Format.TABLE) -> None:
    """Show what runs, and what has been charged so far."""
    lab = running(local.lab_dir())
    if lab is None:
        rows = _leftover_rows()
    else:
        charges = ask("GET", f"{lab.hostwinds_url}/_lab/charges").document
        rows = [
            {"what": "lab", "state": f"running at level {lab.level}", "address": None},
            {"what": "hostwinds", "state": "emulated", "address": lab.hostwinds_url},
            {"what": "cloudflare", "state": "emulated", "address": lab.cloudflare_url},
            *_guests(lab),
            {"what": "charged", "state": f"{charges['usd_a_month']} USD a month", "address": None},
        ]
    print_rows(rows, ("what", "state", "address"), output)


def _leftover_rows() -> list[dict[str, Any]]:
    """Return what a lab whose process has ended left on this machine."""
    left = leftovers.of(local.lab_dir())
    state = "killed; `penguin lab down` removes what is left" if left else "stopped"
    rows = [
        {"what": kind, "state": f"{len(items)} left, such as {items[0]}", "address": None}
        for kind, items in left.items()
    ]
    return [{"what": "lab", "state": state, "address": None}, *rows]


def _guests(lab: RunningLab) -> list[dict[str, Any]]:
    if lab.level == "api":
        return [{"what": "hosts", "state": f"none: {lab.missing}", "address": None}]
    receiver = "ready" if lab.receiver_ready else "starting"
    authority = "Pebble" if lab.acme else "none: pebble is not installed"
    return [
        {"what": "resolver", "state": "ready", "address": lab.resolver},
        {"what": "acme", "state": authority, "address": lab.acme},
        {"what": "packages", "state": "ready", "address": lab.packages},
        {"what": "registry", "state": _images(lab), "address": lab.registry},
        {"what": "time", "state": "ready", "address": lab.time_server},
        {"what": "receiver", "state": receiver, "address": lab.receiver},
    ]


def _images(lab: RunningLab) -> str:
    if order.state_of(lab)["served"]:
        return "ready; all images are stand-ins"
    return "ready; empty until `penguin lab images` builds stand-ins"


@app.command()
def images(output: OutputOption = Format.TABLE) -> None:
    """Build the image that stands in for Mailu's, which the registry serves from then on.

    A control plane that runs pins it for hosts.
    """
    stream = progress_stream(output)
    served = order.provide(
        local.lab_dir(), cache_dir(), lambda line: print(f"  … {line}", file=stream, flush=True)
    )
    if served and local.control_plane_pid() is not None:
        local.pin_images()
    outcome = "served" if served else "built; the next lab serves it"
    result = {"kind": "images", "outcome": outcome}
    print_result(f"the stand-in image is {outcome}", result, output)


@app.command()
def env(output: OutputOption = Format.TABLE) -> None:
    """Print the variables for a shell: eval "$(penguin lab env)"."""
    variables = local.environment()
    if output is not Format.TABLE:
        print_document(variables, output)
        return
    for name, value in variables.items():
        print(f"export {name}={shlex.quote(value)}")


@app.command()
def logs(
    guest: Annotated[
        str | None, typer.Option(help="the console of a guest: dns, rcpt, or a server's number")
    ] = None,
) -> None:
    """Print the log of the lab or of a guest."""
    if guest is None:
        file = local.lab_dir() / control.LOG
        if not file.exists():
            raise NOT_RUNNING()
    else:
        file = local.lab_dir() / leftovers.HOSTS / guest / "console.log"
        if not file.exists():
            remedy = "use dns, rcpt or the number of a server; `penguin lab portal` lists them"
            raise USAGE(mistake=f"the lab has no guest {guest}", remedy=remedy)
    print(file.read_text(errors="replace"), end="")


@app.command()
def inbox(
    message_id: Annotated[
        str | None, typer.Argument(help="show all of this message, as it was received")
    ] = None,
    wait: Annotated[bool, typer.Option("--wait", help="until it has arrived")] = False,
    output: OutputOption = Format.TABLE,
) -> None:
    """List the mail that arrived at the lab's receiving server, or show one."""
    if required(local.lab_dir()).level == "api":
        raise NO_RECEIVER()
    if message_id is not None:
        text = wait_for_message(local.lab_dir(), message_id, ARRIVAL if wait else 0)
        if output is Format.TABLE:
            print(text.rstrip())
            print(f"\n{sender_of(text)}")
        else:
            print_document({"text": text, "sender": sender_of(text)}, output)
        return
    rows = [
        {
            "to": user,
            "from": str(message["From"]),
            "subject": str(message["Subject"]),
            "message_id": str(message["Message-ID"]),
            "authentication": " ".join(str(message["Authentication-Results"]).split()),
        }
        for user, _, message in messages(local.lab_dir())
    ]
    print_rows(rows, ("to", "from", "subject", "message_id", "authentication"), output)


@app.command()
def fault(
    part: Annotated[str, typer.Argument(help="hostwinds, cloudflare, dns, registry, time or acme")],
    name: Annotated[str, typer.Argument(help="for instance lost_answer; `clear` ends all")],
    times: Annotated[
        int, typer.Option(parser=whole_number, help="for how many requests; -1: until cleared")
    ] = 1,
    zone: Annotated[str | None, typer.Option(help="of dns: the zone that is in trouble")] = None,
    seconds: Annotated[
        float, typer.Option(parser=real_number, help="of dns: how late changes are served")
    ] = 0,
    output: OutputOption = Format.JSON,
) -> None:
    """Make a provider, the name servers, the registry, the time server or the authority fail."""
    lab = required(local.lab_dir())
    urls = {
        "hostwinds": f"{lab.hostwinds_url}/_lab/faults",
        "cloudflare": f"{lab.cloudflare_url}/_lab/faults",
    }
    if lab.resolver is not None:
        urls["dns"] = f"{lab.cloudflare_url}/_lab/dns"
    if lab.registry is not None:
        urls["registry"] = f"{lab.cloudflare_url}/_lab/registry"
    if lab.time_server is not None:
        urls["time"] = f"{lab.hostwinds_url}/_lab/time"
    if lab.acme is not None:
        urls["acme"] = f"{lab.cloudflare_url}/_lab/acme"
    if part not in urls:
        raise USAGE(mistake=f"{part} is not in this lab", remedy=f"use {' or '.join(urls)}")
    if part != "dns" and (zone or seconds):
        raise USAGE(mistake=f"{part} has no zone and no seconds", remedy="use `--times`")
    body: dict[str, object] = {"fault": name, "times": times}
    if part == "dns":
        body = {"fault": name, "seconds": seconds} | ({"zone": zone} if zone else {})
    response = ask("DELETE", urls[part]) if name == "clear" else ask("POST", urls[part], body)
    if response.is_error:
        remedy = "see `penguin lab fault --help`"
        raise USAGE(mistake=response.document["error"], remedy=remedy)
    print_document(response.document, output)


@app.command()
def portal(
    automatic: Annotated[
        bool | None,
        typer.Option("--automatic/--manual", help="buy what tenants wait for, or not"),
    ] = None,
    server: Annotated[
        int | None, typer.Option(parser=whole_number, help="buy one address for this server")
    ] = None,
    output: OutputOption = Format.TABLE,
) -> None:
    """List servers and buy addresses, as a person does in the provider's portal."""
    base = required(local.lab_dir()).hostwinds_url
    if automatic is not None:
        ask("POST", f"{base}/_lab/portal", {"automatic": automatic})
    if server is not None:
        response = ask("POST", f"{base}/_lab/portal/attach", {"serviceid": server})
        if response.is_error:
            remedy = "use one that `penguin lab portal` lists"
            raise USAGE(mistake=f"server {server} does not exist", remedy=remedy)
    servers = ask("GET", f"{base}/_lab/portal/servers").document
    print_rows(servers, ("serviceid", "name", "status", "addresses"), output)


@app.command()
def profile(
    name: Annotated[str | None, typer.Argument(help="make or change the profile")] = None,
    port: Annotated[
        list[int] | None, typer.Option(parser=whole_number, help="TCP port that it lets in")
    ] = None,
    output: OutputOption = Format.TABLE,
) -> None:
    """List firewall profiles, or make one, as a person does in the provider's portal."""
    lab = required(local.lab_dir())
    if name is not None:
        local.make_profile(lab, name, port or [])
    profiles = ask("GET", f"{lab.hostwinds_url}/_lab/portal/profiles").document
    rows = [{"name": made["name"], "lets_in": _lets_in(made)} for made in profiles]
    print_rows(rows, ("name", "lets_in"), output)


def _lets_in(profile: dict[str, Any]) -> str:
    rules = [rule for rule in profile["security_group_rules"] if rule["ethertype"] == "IPv4"]
    return " ".join(
        f"{rule['port_range_min']}/{rule['protocol']}"
        for rule in rules
        if rule["direction"] == "ingress"
    )


@zone_app.command("add")
def zone_add(
    name: Annotated[str, typer.Argument(help="for instance acme.example")],
    enterprise: Annotated[
        bool, typer.Option("--enterprise", help="on the plan that takes a subdomain as a zone")
    ] = False,
    output: OutputOption = Format.TABLE,
) -> None:
    """Add a zone to the Cloudflare account and point its delegation there."""
    add_zone(required(local.lab_dir()), name, enterprise=enterprise)
    result = {"kind": "zone", "name": name, "outcome": "delegated"}
    print_result(f"{name} is delegated", result, output)


def add_zone(lab: RunningLab, name: str, *, enterprise: bool = False) -> None:
    """Add a zone and delegate it; an existing zone is only delegated."""
    body = {"name": name, "enterprise": enterprise}
    response = ask("POST", f"{lab.cloudflare_url}/_lab/zones", body)
    if response.is_error:
        remedy = "give a registered domain, or add `--enterprise` for a subdomain"
        raise USAGE(mistake=response.document["error"], remedy=remedy)
