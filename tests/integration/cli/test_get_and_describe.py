"""Lists and pages of resources, against a real API."""

from __future__ import annotations

import json

import pytest

from cli import faults
from cli.names import reference
from controlplane.faults import NOT_FOUND
from hostwinds.journal.file import FileJournal
from hostwinds.journal.port import Frozen
from tests.support.faults import assert_shows
from tests.support.freezes import ACTOR, REASON, freeze


def test_get_lists_tenants_with_their_cost(plane, penguin, file, capsys):
    penguin("apply", "-f", str(file))
    capsys.readouterr()
    assert penguin("get", "tenants") == 0
    header, row = capsys.readouterr().out.splitlines()
    assert header.split() == ["NAME", "READY", "REASON", "GENERATION", "AGE", "COST"]
    assert row.split()[:4] == ["acme", "Unknown", "NotYetReported", "1"]
    assert row.split()[-1] == "$43.98"


def test_describe_before_the_first_pass_shows_what_will_exist(plane, penguin, file, capsys):
    penguin("apply", "-f", str(file))
    assert penguin("describe", "tenant", "acme") == 0
    output = capsys.readouterr().out
    assert "none yet: no reconcile pass has run" in output
    assert "Records to set by hand" in output
    assert "acme-mail.example" in output
    assert "Monthly cost: $43.98" in output
    assert "mx1-2: IPv4 address              $4.99  (included in the plan)\n" in output
    assert max(len(line) for line in output.splitlines()) <= 80


def test_describe_shows_what_is_done_what_it_waits_for_and_the_next_look(
    plane, penguin, file, capsys
):
    penguin("apply", "-f", str(file))
    plane.set("InfrastructureReady", "False", "WaitingForProvider", subject="address/mx1-2")
    plane.run(
        "update oltp.conditions set acts = 'operator', remedy = 'buy it', asked_at = now() "
        "where subject = 'address/mx1-2'"
    )
    plane.run(
        "insert into oltp.operations (id, tenant_id, tenant, kind, phase, generation, process, "
        "host, progress, started_at, heartbeat_at) select gen_random_uuid(), id, name, 'update', "
        "'cloud', 1, 1, 'here', 'mx1: creating', now() - interval '3 hours 1 minute', "
        "now() - interval '5 minutes 10 seconds' from oltp.tenants"
    )
    freeze(plane.dsn, Frozen.PURCHASES)
    plane.run("update oltp.schedule set priority = 3, attempts = 3, due_at = '2126-01-01'")
    assert penguin("describe", "tenant", "acme") == 0
    output = capsys.readouterr().out
    words = " ".join(output.split())
    assert "Now: cloud update for 3h: mx1: creating (last sign of it 5m ago)" in words
    assert f"Frozen: purchases of all tenants: {REASON} (by key {ACTOR}, since " in words
    assert "Waits for: address/mx1-2: buy it (operator)" in words
    assert "Next look: 2126-01-01 " in words
    assert ": the last 3 passes have left something unfinished" in words
    assert penguin("describe", "tenant", "acme", "-o", "json") == 0
    described = json.loads(capsys.readouterr().out)
    assert [row["remedy"] for row in described["todo"]] == ["buy it"]
    assert described["next_look"]["unfinished_passes"] == 3


def test_get_with_a_wrong_key_or_without_an_api_names_which(plane, penguin, monkeypatch, capsys):
    monkeypatch.setenv("PENGUIN_API_KEY", "pm_live_wrong")
    assert penguin("get", "tenants") == 1
    assert "error[auth.invalid]" in capsys.readouterr().err
    monkeypatch.setenv("PENGUIN_API_URL", "http://127.0.0.1:9")
    assert penguin("get", "tenants") == 1
    output = capsys.readouterr().err
    assert "error[api.unreachable]" in output
    assert "make up" in output


@pytest.mark.parametrize(
    ("kind", "names"),
    [
        ("hosts", ["mx1"]),
        ("addresses", ["mx1-1", "mx1-2"]),
        ("domains", ["acme-mail.example", "acme.example"]),
        ("mailboxes", ["sales@acme.example"]),
    ],
)
def test_get_lists_the_parts_of_tenants_and_describes_each(
    plane, penguin, file, capsys, kind, names
):
    penguin("apply", "-f", str(file))
    capsys.readouterr()
    assert penguin("get", kind, "-t", "acme") == 0
    rows = capsys.readouterr().out.splitlines()[1:]
    assert [row.split()[:2] for row in rows] == [["acme", name] for name in names]
    assert penguin("get", kind, names[0], "-o", "json") == 0
    resource = json.loads(capsys.readouterr().out)
    assert (resource["tenant"], resource["name"]) == ("acme", names[0])
    assert penguin("describe", f"{kind}/{names[0]}") == 0
    assert f"{names[0]} of tenant acme" in capsys.readouterr().out
    assert penguin("get", kind, "nope") == 1
    singular = reference([kind]).kind.name
    output = capsys.readouterr().err
    assert_shows(output, NOT_FOUND, kind=singular, name="nope", plural=kind)


def test_domain_of_a_manual_zone_shows_its_owner_every_record_to_set(plane, penguin, file, capsys):
    file.write_text(file.read_text().replace("sales@acme.example", "sales@acme-mail.example"))
    penguin("apply", "-f", str(file))
    capsys.readouterr()
    assert penguin("get", "domain", "acme-mail.example", "-o", "json") == 0
    listed = json.loads(capsys.readouterr().out)["set_by_hand"]
    assert [(one["name"], one["type"], one["checked"]) for one in listed] == [
        ("b.acme-mail.example", "CNAME", True),
        ("pm1._domainkey.acme-mail.example", "CNAME", True),
        ("pm2._domainkey.acme-mail.example", "CNAME", True),
        ("_dmarc.acme-mail.example", "TXT", True),
        ("acme-mail.example", "MX", True),
        ("acme-mail.example", "TXT", True),
        ("mu1._domainkey.acme-mail.example", "CNAME", False),
        ("mu2._domainkey.acme-mail.example", "CNAME", False),
        ("u.acme-mail.example", "CNAME", False),
    ]
    for words in (("domain/acme-mail.example",), ("tenant", "acme")):
        assert penguin("describe", *words) == 0
        shown = capsys.readouterr().out
        for one in listed:
            assert f"  {one['name']}  {one['type']}\n" in shown
            assert one["value"] in shown
            assert one["note"] in " ".join(shown.split())
        assert penguin("describe", *words, "-o", "json") == 0
        assert listed[-1]["value"] in capsys.readouterr().out
    assert penguin("get", "domain", "acme.example", "-o", "json") == 0
    assert json.loads(capsys.readouterr().out)["set_by_hand"] == []


def test_domain_that_drains_is_listed_and_described_as_such(plane, penguin, file, capsys):
    penguin("apply", "-f", str(file))
    plane.run("update oltp.tenants set applied_document = document, observed_generation = 1")
    file.write_text(file.read_text().replace(", {name: acme-mail.example, dns: manual}", ""))
    penguin("apply", "-f", str(file))
    capsys.readouterr()
    assert penguin("get", "domains") == 0
    rows = [row.split()[1:4] for row in capsys.readouterr().out.splitlines()[1:]]
    assert rows == [
        ["acme-mail.example", "False", "Draining"],
        ["acme.example", "Unknown", "NotYetReported"],
    ]
    assert penguin("describe", "domain/acme-mail.example") == 0
    assert "none: its records are removed when its mail is sent" in capsys.readouterr().out


def test_describe_of_a_host_name_of_two_tenants_asks_for_the_tenant(plane, penguin, file, capsys):
    penguin("apply", "-f", str(file))
    other = file.with_name("zoo.yaml")
    other.write_text(file.read_text().replace("acme", "zoo"))
    penguin("apply", "-f", str(other))
    capsys.readouterr()
    assert penguin("describe", "host/mx1") == 1
    assert_shows(capsys.readouterr().err, faults.AMBIGUOUS)
    assert penguin("describe", "host/mx1", "--tenant", "zoo") == 0
    assert "mx1 of tenant zoo" in capsys.readouterr().out


def test_negative_conditions_are_shown_only_when_true_or_with_all(plane, penguin, file, capsys):
    penguin("apply", "-f", str(file))
    plane.set("Ready", "True", "Ready")
    plane.set("Drifted", "False", "AsApplied")
    plane.set("Stalled", "True", "NoCapacity", "no server is free")
    capsys.readouterr()
    assert penguin("describe", "tenant/acme") == 0
    output = capsys.readouterr().out
    assert "Drifted" not in output
    assert "! Stalled               NoCapacity: no server is free" in output
    assert "✓ Ready\n" in output
    assert penguin("describe", "tenant/acme", "--all") == 0
    assert "Drifted" in capsys.readouterr().out


def test_get_purchases_reads_the_local_journal(penguin, tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("HOSTWINDS_API_URL", "http://127.0.0.1:9/")
    monkeypatch.setenv("HOSTWINDS_JOURNAL", str(tmp_path / "journal.json"))
    FileJournal(tmp_path / "journal.json").open("1001/mx1-2")
    assert penguin("get", "purchases") == 0
    assert capsys.readouterr().out.splitlines()[1].split()[0] == "1001/mx1-2"
    assert penguin("describe", "purchase/1001/mx1-2") == 0
    assert "Outcome:     -" in capsys.readouterr().out


def test_get_with_watch_prints_rows_and_then_changes(plane, penguin, file, capsys):
    penguin("apply", "-f", str(file))
    capsys.readouterr()
    changes = iter(
        [lambda: plane.set("Ready", "True", "Ready"), lambda: plane.run("delete from oltp.tenants")]
    )

    def between_two_requests(_: float) -> None:
        try:
            next(changes)()
        except StopIteration:
            raise KeyboardInterrupt from None

    assert penguin("get", "tenants", "-w", sleep=between_two_requests) == 130
    header, before, after, deleted = capsys.readouterr().out.splitlines()
    assert header.split()[:2] == ["NAME", "READY"]
    assert before.split()[:2] == ["acme", "Unknown"]
    assert after.split()[:2] == ["acme", "True"]
    assert deleted == "tenant/acme is gone"


def test_get_lists_stops_of_all_and_of_one_tenant(plane, penguin, file, capsys):
    penguin("apply", "-f", str(file))
    penguin("stop", "tenant", "acme", "--reason", "unpaid")
    penguin("stop", "platform", "--reason", "listed")
    capsys.readouterr()
    assert penguin("get", "stops") == 0
    header, *rows = capsys.readouterr().out.splitlines()
    assert header.split() == ["TARGET", "TENANT", "REASON", "ACTOR", "SINCE"]
    assert [row.split()[:3] for row in rows] == [
        ["platform", "-", "listed"],
        ["tenant/acme", "acme", "unpaid"],
    ]
    assert penguin("get", "stops", "--tenant", "acme", "-o", "json") == 0
    assert {stop["scope"] for stop in json.loads(capsys.readouterr().out)} == {"tenant", "platform"}
    assert penguin("get", "stops", "--tenant", "nope") == 1
    assert "error[resource.not_found]" in capsys.readouterr().err
    assert penguin("get", "stop/platform") == 1
    assert "error[usage]: stops have no names" in capsys.readouterr().err


def test_address_once_provisioned_is_listed_and_described_with_its_number(
    plane, penguin, file, capsys
):
    penguin("apply", "-f", str(file))
    plane.set("InfrastructureReady", "True", "Provisioned", "198.51.100.7", "address/mx1-1")
    capsys.readouterr()
    assert penguin("get", "addresses") == 0
    _, *rows = capsys.readouterr().out.splitlines()
    assert [row.split()[1:3] for row in rows] == [["mx1-1", "198.51.100.7"], ["mx1-2", "-"]]
    assert penguin("describe", "address/mx1-1") == 0
    assert "IPv4:        198.51.100.7\n" in capsys.readouterr().out


def test_describe_with_watch_shows_the_page_again_when_it_changes(plane, penguin, file, capsys):
    penguin("apply", "-f", str(file))
    capsys.readouterr()
    changes = iter([lambda: None, lambda: plane.set("Ready", "True", "Ready")])

    def between_two_requests(_: float) -> None:
        try:
            next(changes)()
        except StopIteration:
            raise KeyboardInterrupt from None

    assert penguin("describe", "tenant/acme", "-w", "-o", "json", sleep=between_two_requests) == 130
    before, after = map(json.loads, capsys.readouterr().out.splitlines())
    assert before["tenant"]["conditions"] == []
    assert [c["type"] for c in after["tenant"]["conditions"]] == ["Ready"]


def test_describe_with_watch_prints_the_time_above_each_page(plane, penguin, file, capsys):
    penguin("apply", "-f", str(file))
    capsys.readouterr()

    def interrupted(_: float) -> None:
        raise KeyboardInterrupt

    assert penguin("describe", "host/mx1", "-w", sleep=interrupted) == 130
    first, second, *_ = capsys.readouterr().out.splitlines()
    assert first.startswith("── 20")
    assert second.startswith("Host:        mx1 of tenant acme")


def test_get_as_json_prints_the_documents_of_the_api(plane, penguin, file, capsys):
    penguin("apply", "-f", str(file))
    mail = ("--from", "sales@acme.example", "--to", "bob@rcpt.example", "--subject", "Hi")
    penguin("send", "--tenant", "acme", *mail, "--text", "Hello")
    capsys.readouterr()
    assert penguin("get", "messages", "-o", "json") == 0
    [message] = json.loads(capsys.readouterr().out)
    assert (message["from"], message["state"]) == ("sales@acme.example", "queued")
    assert "age" not in message
