"""Faults of configuring a host."""

from __future__ import annotations

from controlplane.reconciler.ports import LaterToken
from kit.faults import Actor, Table

FAULTS = Table("ansible", "Configuring hosts by SSH and Ansible")

UNREACHABLE = FAULTS.code(
    "hosts.unreachable",
    message="the host does not answer on SSH: {reason}",
    remedy="check at the provider that it runs and that its firewall profile allows port 22",
    cause="The SSH connection to the host failed or was lost.",
    example={"reason": "connection refused"},
    retryable=True,
    acts=Actor.OPERATOR,
)
SSH_REFUSED = FAULTS.code(
    "hosts.ssh_refused",
    message="the host refuses our login as root: {reason}",
    remedy="put the tenant's key into /root/.ssh/authorized_keys by the provider's console, or "
    "replace the host",
    cause="The host refuses the tenant's key and, at first contact, the provider's root password.",
    example={"reason": "the provider's root password is refused"},
    retryable=True,
    acts=Actor.OPERATOR,
)
HOST_KEY_CHANGED = FAULTS.code(
    "hosts.host_key_changed",
    message="the host's SSH key differs from the one at first contact",
    remedy="check which machine has the address; replace the host if you reinstalled it",
    cause="The host was reinstalled, or another machine has its address.",
    acts=Actor.OPERATOR,
)
DISK_FULL = FAULTS.code(
    "hosts.disk_full",
    message='the host\'s disk is full at task "{task}": {reason}',
    remedy="free space on the host (`df -h`, `journalctl --vacuum-size=100M`), or choose a larger "
    "size",
    cause="A task could not write to the host's disk.",
    example={"task": "Install packages", "reason": "No space left on device"},
    retryable=True,
    acts=Actor.OPERATOR,
)
PACKAGES_UNAVAILABLE = FAULTS.code(
    "hosts.packages_unavailable",
    message='packages cannot be installed at task "{task}": {reason}',
    remedy="check that the host reaches its package sources (`apt-get update` on the host) and "
    "that PENGUIN_HOSTS__PACKAGE_SOURCES names the right ones",
    cause="A package source does not answer, or lacks a package.",
    example={
        "task": "Install packages",
        "reason": "Failed to fetch http://packages.example/debian",
    },
    retryable=True,
    acts=Actor.OPERATOR,
)
PACKAGE_MANAGER_BUSY = FAULTS.code(
    "hosts.package_manager_busy",
    message='another installation runs on the host at task "{task}": {reason}',
    remedy="wait: the task is retried when the other installation has ended",
    cause="Something else on the host, such as its automatic upgrades, holds the lock of apt.",
    example={"task": "Install packages", "reason": "Could not get lock /var/lib/dpkg/lock"},
    retryable=True,
    acts=Actor.NOBODY,
)
OTHER_SYSTEM = FAULTS.code(
    "hosts.other_system",
    message="nothing is changed on the host: {reason}",
    remedy="declare another host in the tenant's document and take this one out: it is removed "
    "when its mail has left; for new hosts check PENGUIN_PLATFORM__IMAGE",
    cause="The playbooks are for Debian 13, and a host keeps the system that it was bought with.",
    example={"reason": "another system than Debian 13: Debian GNU/Linux 12 (bookworm)"},
    acts=Actor.OPERATOR,
)
CLOCK_WRONG = FAULTS.code(
    "hosts.clock_wrong",
    message="nothing is changed on the host: {reason}",
    remedy="compare the host's clock with another one: correct it (`timedatectl`, `chronyc "
    "tracking` on the host), or name other servers in PENGUIN_HOSTS__TIME_SERVERS; the host has to "
    "reach them at UDP port 123",
    cause="Certificates and signatures are valid for a time, so each run begins with a "
    "measurement: more than half of the time servers that answer have to agree with the clock.",
    example={"reason": "the clock is 3600.0 s behind 192.0.2.123 (limit: 1 s)"},
    retryable=True,
    acts=Actor.OPERATOR,
)
RESOLVER_WRONG = FAULTS.code(
    "hosts.resolver_wrong",
    message="{reason}",
    remedy="check that the host reaches name servers at port 53 by UDP and TCP, or those of "
    "PENGUIN_HOSTS__FORWARDERS, and that PENGUIN_HOSTS__TRUST_ANCHOR is the root's key; "
    "`journalctl -u unbound` on the host says more",
    cause="The host's resolver has to prove a signed name and to refuse a name whose signature is "
    "broken. Until it does, the host keeps the resolvers that it had.",
    example={
        "reason": "the resolver does not validate: 127.0.0.1 answers example.org with SERVFAIL"
    },
    retryable=True,
    acts=Actor.OPERATOR,
)
ENGINE_REFUSED = FAULTS.code(
    "hosts.engine_refused",
    message="{reason}",
    remedy="put the earlier version into playbooks/roles/docker/defaults/main.yml, or find out on "
    "the host why the other one does not work (`journalctl -u docker`)",
    cause="Another version of the container engine was tried on the host. No container ran, no "
    "name was resolved in it, or Mailu worked no more, and the earlier version was installed "
    "again.",
    example={
        "reason": "another version of the engine does not work, the old one is back: Run a "
        "container and resolve names in it: dockerd does not start"
    },
    acts=Actor.OPERATOR,
)
IMAGES_NOT_PINNED = FAULTS.code(
    "hosts.images_not_pinned",
    message="nothing is changed on the host: {reason}",
    remedy="run `penguin platform images pin VERSION`",
    cause="A mail server in containers is wanted, and which images of it hosts run is not decided.",
    example={"reason": "no image is pinned for admin, front"},
    retryable=True,
    acts=Actor.OPERATOR,
)
IMAGES_UNAVAILABLE = FAULTS.code(
    "hosts.images_unavailable",
    message="an image cannot be had: {reason}",
    remedy="check that the host reaches the registry at port 443, and that the registry still has "
    "the digest (`penguin platform images`)",
    cause="The registry does not answer the host, or does not have an image that is pinned. What "
    "runs on the host goes on.",
    example={"reason": "Error response from daemon: Get https://ghcr.io/v2/: no such host"},
    retryable=True,
    acts=Actor.OPERATOR,
)
MAILU_SILENT = FAULTS.code(
    "hosts.mailu_silent",
    message="{reason}",
    remedy="find out on the host why (`docker compose -p mailu ps`, `journalctl -t mailu-admin`); "
    "it is tried again",
    cause="A part of Mailu did not do in time what the others need of it.",
    example={
        "reason": "Mailu's application does not answer: timed out (admin: Up 2 minutes; waiting "
        "for DNSSEC)"
    },
    retryable=True,
    acts=Actor.OPERATOR,
)
MAILU_REFUSED = FAULTS.code(
    "hosts.mailu_refused",
    message="{reason}",
    remedy="pin a version that works (`penguin platform images pin VERSION`), or take the setting "
    "back",
    cause="Other images or settings of Mailu were tried on the host. A part of it did not work, "
    "and the earlier ones were put back.",
    example={
        "reason": "other images or settings of Mailu do not work, the earlier ones are back: "
        "Mailu does not refuse what it has to: it answers 451"
    },
    acts=Actor.OPERATOR,
)
MAIL_WAITS = FAULTS.code(
    "hosts.mail_waits",
    message="the host's mail server is not changed yet: {reason}",
    remedy="find out why it is not delivered (`postqueue -c /etc/postfix-inbound -p` or `docker "
    "exec mailu-smtp-1 postqueue -p` on the host, `df -h`); it is tried again",
    cause="What a host has accepted is delivered before it gets or loses Mailu.",
    example={"reason": "mail that was accepted is not delivered yet"},
    retryable=True,
    acts=Actor.OPERATOR,
)
MORE_MAIL = FAULTS.code(
    "hosts.more_mail",
    message="the host keeps Mailu: {reason}",
    remedy="apply the document again, with `--export DIRECTORY` or with the number that is named, "
    "or put `mail: mailu` back",
    cause="A host loses Mailu only with as many mails as a person has agreed to destroy.",
    example={"reason": "Mailu holds 813 mails, and 812 may be destroyed"},
)
MAIL_NOT_MOVED = FAULTS.code(
    "hosts.mail_not_moved",
    message="mail is not moved to Mailu yet: {reason}",
    remedy="compare /var/mail/penguin/people with /mailu/mail on the host; it is tried again",
    cause="A host that gets Mailu takes no mail until what its mailboxes had before is in Mailu.",
    example={"reason": "of 812 mails 811 were moved"},
    retryable=True,
    acts=Actor.OPERATOR,
)
TASK_FAILED = FAULTS.code(
    "hosts.task_failed",
    message='task "{task}" failed: {reason}',
    remedy="correct what the message names; the next run changes only the rest",
    cause="A task of the playbooks failed on the host.",
    example={"task": "Start Postfix", "reason": "Unable to start service postfix"},
    retryable=True,
    acts=Actor.OPERATOR,
)
SUPERSEDED = FAULTS.code(
    "hosts.superseded",
    message="a later run has taken over the host; this one changes nothing more",
    remedy="wait; the later run continues",
    cause="The process was stopped for longer than its lease, and a later holder of the tenant's "
    "lease has raised the fence on the host. Where it lasts, the database was restored from a "
    "backup that has a lower token than the host: see docs/operations.md.",
    retryable=True,
    acts=Actor.NOBODY,
    raises=LaterToken,
)
RUN_UNDER_WAY = FAULTS.code(
    "hosts.run_under_way",
    message="another run of the playbooks is under way on the host",
    remedy="wait; it is tried again",
    cause="A host is configured by one run at a time, which holds a lock there.",
    retryable=True,
    acts=Actor.NOBODY,
)
NOT_RUN = FAULTS.code(
    "hosts.ansible_failed",
    message="ansible-playbook ended with {status}: {reason}",
    remedy="check that this installation is complete (ansible-core, the directory playbooks/)",
    cause="The program failed before its first task.",
    example={"status": 4, "reason": "the playbook: site.yml could not be found"},
    acts=Actor.OPERATOR,
)
