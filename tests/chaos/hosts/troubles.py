"""Troubles of a host that is Ready: each is over when its cause is gone."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass

from blueprint.naming import system_mailbox
from lab.time_server import LIES
from tests.chaos.hosts.scene import BOX, HOST, LIMIT_SECONDS, MAILS, Scene
from tests.support.waiting import wait_for

DOMAIN = BOX.rpartition("@")[2]
STRANGER = f"stranger@{DOMAIN}"
COMPOSE = "cd /mailu && docker compose"
ASK = """
import json, sys, urllib.request
method, path, body = sys.argv[1:]
token = open("/mailu/secrets/api_token").read().strip()
headers = {"Authorization": token, "Content-Type": "application/json"}
url = "http://192.168.203.3:8080/api/v1" + path
request = urllib.request.Request(url, body.encode() or None, headers, method=method)
print(urllib.request.urlopen(request, timeout=60).read().decode())
"""
"""Asks Mailu's API, from the host, as who has its token."""
FILL = """
set -e
size=$(du -sk /var/lib/docker/image | cut -f 1)
mkdir -p /run/full
mount -t tmpfs -o "size=$((size + 512))k" tmpfs /run/full
cp -a /var/lib/docker/image/. /run/full/
dd if=/dev/zero of=/run/full/rest bs=1k 2>/dev/null || true
mount --bind /run/full /var/lib/docker/image
"""
"""Fills the disk on which Docker keeps what it knows of images: the lab's versions share layers, so
that no other part is written when another version is fetched."""
LOOSE = """
sed -i 's/module-config:.*/module-config: "iterator"/' /etc/unbound/unbound.conf
systemctl restart unbound
"""
"""Lets the host's resolver believe what it gets."""


@dataclass(frozen=True)
class Trouble:
    """One trouble: `play` returns when its cause is gone."""

    what: str
    play: Callable[[Scene], None]


def _mailu(scene: Scene, method: str, path: str, body: str = "") -> str:
    return scene.on_host('exec python3 -c "$0" "$@"', ASK, method, path, body)


def _restart(scene: Scene) -> None:
    before = scene.began()
    scene.power("reboot")
    wait_for(lambda: scene.began() not in (before, ""), seconds=LIMIT_SECONDS, longest_pause=0.5)


def _cut(scene: Scene) -> None:
    scene.cut()


def _kill(scene: Scene) -> None:
    scene.run_playbooks()
    wait_for(
        lambda: scene.rows("select 1 from oltp.operations where finished_at is null"),
        seconds=LIMIT_SECONDS,
        longest_pause=0.05,
    )
    scene.kill_control_plane()


def _docker_down(scene: Scene) -> None:
    scene.on_host("docker kill $(docker ps -q); systemctl stop docker.socket docker.service")


def _mailu_down(scene: Scene) -> None:
    scene.on_host(f"{COMPOSE} kill front smtp imap admin")
    for _ in range(3):
        assert scene.sent_in_bulk() == "accepted"


def _registry_away(scene: Scene) -> None:
    scene.pin_other_images()
    scene.fault("registry", "away")
    scene.until_reported("HostsConfigured", "HostsImagesUnavailable")
    scene.fault("registry", "clear")


def _images_raised(scene: Scene) -> None:
    scene.pin_other_images()
    scene.until_ready()
    scene.pin_other_images()


def _queue_full(scene: Scene) -> None:
    directory = "/mailu/mailqueue"
    scene.on_host(
        f"{COMPOSE} stop smtp; mount -t tmpfs -o size=16k,mode=755 tmpfs {directory}; "
        f"{COMPOSE} start smtp"
    )
    scene.sender.codes.clear()
    wait_for(lambda: {451, 452} & scene.sender.codes, seconds=LIMIT_SECONDS, longest_pause=0.5)
    scene.on_host(f"{COMPOSE} stop smtp; umount --lazy {directory}; {COMPOSE} start smtp")


def _docker_disk_full(scene: Scene) -> None:
    scene.on_host(FILL)
    scene.pin_other_images()
    wait_for(lambda: scene.condition("HostsConfigured")[0] == "False", seconds=LIMIT_SECONDS)
    wait_for(
        lambda: scene.rows(
            "select 1 from oltp.operations where kind = 'configure' and outcome = 'failed' "
            "and finished_at > now() - interval '30 seconds'"
        ),
        seconds=LIMIT_SECONDS,
        longest_pause=0.5,
    )
    scene.on_host("umount --lazy /var/lib/docker/image /run/full")


def _certificate(scene: Scene, fault: str) -> None:
    scene.fault("acme", fault)
    scene.rows("delete from oltp.certificates where name = %s returning name", f"{HOST}.{DOMAIN}")
    scene.make_due()
    wait_for(
        lambda: (
            scene.condition("CertificatesReady")[0] == "False"
            or scene.rows("select 1 from oltp.certificates where failures > 0")
        ),
        seconds=LIMIT_SECONDS,
        longest_pause=0.5,
    )
    scene.fault("acme", "clear")


def _certificate_refused(scene: Scene) -> None:
    _certificate(scene, "refused")


def _certificate_limited(scene: Scene) -> None:
    _certificate(scene, "rate_limited")


def _clock(scene: Scene) -> None:
    scene.fault("time", LIES)
    scene.run_playbooks()
    scene.until_reported("HostsConfigured", "HostsClockWrong")
    scene.fault("time", "clear")


def _resolver(scene: Scene) -> None:
    scene.on_host(LOOSE)
    scene.run_playbooks()


def _behind_our_back(scene: Scene) -> None:
    body = {"email": STRANGER, "raw_password": "a password of theirs", "comment": "by hand"}
    _mailu(scene, "POST", "/user", json.dumps(body))
    scene.look_at_mailboxes()
    scene.until_ready()
    seen = json.loads(_mailu(scene, "GET", f"/user/{STRANGER}"))
    assert seen["comment"] == "by hand", "it was changed"
    [(findings,)] = scene.rows("select findings::text from oltp.identities")
    assert STRANGER in findings
    _mailu(scene, "DELETE", f"/user/{STRANGER}")
    scene.on_host(f"rm -rf /mailu/mail/{STRANGER}")
    scene.look_at_mailboxes()


def _person_changes(scene: Scene) -> None:
    scene.penguin("mailboxes", "token", BOX, "--name", "Phone")
    _mailu(scene, "PATCH", f"/user/{BOX}", json.dumps({"raw_password": "another one"}))
    before = json.loads(_mailu(scene, "GET", f"/user/{BOX}"))["password"]
    for token in json.loads(_mailu(scene, "GET", f"/tokenuser/{system_mailbox(DOMAIN)}")):
        _mailu(scene, "DELETE", f"/token/{token['id']}")
    scene.look_at_mailboxes()
    scene.until_ready()
    assert json.loads(_mailu(scene, "GET", f"/user/{BOX}"))["password"] == before
    assert "Phone" in scene.penguin("mailboxes", "tokens", BOX)
    scene.penguin("mailboxes", "revoke", BOX, "Phone", "--yes")


def _database_lost(scene: Scene) -> None:
    kept = len(scene.on_host(MAILS).splitlines())
    scene.on_host(f"{COMPOSE} stop admin; rm -f /mailu/data/main.db*; {COMPOSE} start admin")
    assert len(scene.on_host(MAILS).splitlines()) >= kept


TROUBLES = {
    "reboot": Trouble("the host is rebooted", _restart),
    "power": Trouble("power cut", _cut),
    "killed": Trouble("the control plane is killed during a run without changes", _kill),
    "docker": Trouble("Docker is down", _docker_down),
    "mailu": Trouble("Mailu is down while bulk mail goes on", _mailu_down),
    "registry": Trouble("the registry is away while images are changed", _registry_away),
    "images": Trouble("images are raised and put back", _images_raised),
    "queue-disk": Trouble("the disk of Mailu's queue is full", _queue_full),
    "docker-disk": Trouble(
        "the disk of Docker is full while images are changed", _docker_disk_full
    ),
    "acme-refused": Trouble("a certificate is refused", _certificate_refused),
    "acme-limited": Trouble("a certificate is rate-limited", _certificate_limited),
    "clock": Trouble("the time server lies by an hour", _clock),
    "resolver": Trouble("the resolver does not validate", _resolver),
    "behind": Trouble("a mailbox is created behind our back", _behind_our_back),
    "person": Trouble("a person changes a password, and revokes our token", _person_changes),
    "database": Trouble("Mailu's database is lost", _database_lost),
}
