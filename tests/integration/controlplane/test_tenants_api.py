"""The tenant API: what it accepts, refuses, repeats and hides."""

from __future__ import annotations

import asyncio
from typing import Any

import psycopg
import pytest
from sqlalchemy import event, text

from blueprint import faults as document_faults
from controlplane import faults
from controlplane.database import CONTROLLER, OPERATOR
from controlplane.identity.keys import Scope
from sender.faults import IDEMPOTENCY_MISMATCH
from tests.integration.controlplane.conftest import create, document
from tests.support.faults import assert_shows
from tests.support.points import Killed, killed


class TestCreate:
    async def test_tenant_created_is_returned_by_get(self, operator):
        created = await create(operator)
        assert created["generation"] == 1
        read = (await operator.get("/tenants/acme")).json()
        assert read["document"]["spec"]["hosts"][0]["addresses"] == 2
        events = (await operator.get("/events", params={"tenant": "acme"})).json()
        assert [event["reason"] for event in events["items"]] == ["Created"]

    async def test_document_with_several_mistakes_lists_them_with_their_paths(self, operator):
        wrong = document(
            regoin="us-west", mailboxes=[{"address": "x@acme.example", "daily_cap": 0}]
        )
        wrong["spec"]["plan"] = "gold"
        answer = await operator.post("/tenants", json=wrong)
        assert answer.status_code == 422
        assert answer.headers["content-type"] == "application/problem+json"
        problem = answer.json()
        assert_shows(problem, document_faults.INVALID, mistakes=...)
        assert {(e["code"], e["path"]) for e in problem["violations"]} == {
            ("document.unknown_key", "spec.regoin"),
            ("document.invalid_value", "spec.plan"),
            ("document.invalid_value", "spec.mailboxes[0].daily_cap"),
        }
        assert all(e["remedy"] for e in problem["violations"])

    async def test_document_with_mailboxes_and_no_postal_address_is_refused(self, operator):
        problem = (await operator.post("/tenants", json=document(sending={}))).json()
        (violation,) = problem["violations"]
        assert violation["path"] == "spec.sending"
        assert_shows(violation, document_faults.NO_POSTAL_ADDRESS)
        assert await create(operator, sending={}, mailboxes=[])

    async def test_document_beyond_its_plan_is_refused_with_the_path(self, operator):
        names = [{"name": f"d{n}.example"} for n in range(6)]
        wrong = document(plan="starter", domains=[{"name": "acme.example"}, *names])
        problem = (await operator.post("/tenants", json=wrong)).json()
        (violation,) = problem["violations"]
        assert violation["path"] == "spec.domains"
        assert_shows(violation, document_faults.PLAN_LIMIT, count=7)

    async def test_tenant_beyond_its_plan_may_stay_or_shrink(self, operator, upgraded):
        names = [{"name": f"{name}.example"} for name in ("acme", *"abcdef")]
        await operator.post("/tenants", json=document(domains=names))
        with psycopg.connect(upgraded) as admin:  # as if the plan had shrunk
            admin.execute(
                "update oltp.tenants set document = "
                "jsonb_set(document, '{spec,plan}', '\"starter\"')"
            )

        async def put(names: list[dict[str, str]], **spec: Any) -> tuple[int, str | None]:
            desired = document(plan="starter", domains=names, **spec)
            answer = await operator.put("/tenants/acme", json=desired)
            return answer.status_code, answer.headers.get("Penguin-Outcome")

        assert await put(names) == (200, "unchanged")
        boxes = [{"address": f"{name}@acme.example"} for name in ("sales", "support")]
        assert await put(names, mailboxes=boxes) == (200, "configured")
        assert await put([*names, {"name": "g.example"}]) == (422, None)
        assert await put(names[:-1]) == (200, "configured")
        assert await put(names) == (422, None)

    async def test_tenant_with_a_name_in_use_is_refused(self, operator):
        await create(operator)
        answer = await operator.post("/tenants", json=document("acme", "other.example"))
        assert_shows(answer.json(), faults.TENANT_EXISTS)

    async def test_domain_of_another_tenant_is_refused_without_its_owner(self, operator):
        await create(operator)
        answer = await operator.post("/tenants", json=document("bad", "acme.example"))
        assert_shows(answer.json(), faults.DOMAIN_TAKEN)
        assert answer.json()["violations"][0]["path"] == "spec.domains[0].name"
        assert (await operator.get("/tenants/bad")).status_code == 404
        assert "tenant acme" not in answer.text

    async def test_idempotency_key_used_concurrently_creates_once(self, operator):
        headers = {"Idempotency-Key": "one"}
        answers = await asyncio.gather(
            *(operator.post("/tenants", json=document(), headers=headers) for _ in range(3))
        )
        assert {answer.status_code for answer in answers} == {201}
        assert len({answer.json()["id"] for answer in answers}) == 1
        other = await operator.post("/tenants", json=document("other"), headers=headers)
        assert_shows(other.json(), IDEMPOTENCY_MISMATCH)

    async def test_idempotency_key_repeated_returns_the_first_response(self, operator):
        headers = {"Idempotency-Key": "one"}
        first = await operator.post("/tenants", json=document(), headers=headers)
        await operator.put("/tenants/acme", json=document(plan="enterprise"))
        second = await operator.post("/tenants", json=document(), headers=headers)
        assert second.json() == first.json()
        for name in ("Location", "Penguin-Outcome"):
            assert second.headers[name] == first.headers[name]
        assert second.headers["Idempotent-Replayed"] == "true"

    async def test_creation_killed_before_its_response_is_stored_is_repeated_in_full(
        self, operator, pools
    ):
        def kill(connection, cursor, statement, *_: Any) -> None:
            if statement.startswith("insert into oltp.idempotency_keys"):
                raise Killed

        async with pools.begin(OPERATOR) as connection:
            engine = connection.engine.sync_engine
        headers = {"Idempotency-Key": "one"}
        event.listen(engine, "before_cursor_execute", kill)
        with killed():
            await operator.post("/tenants", json=document(), headers=headers)
        event.remove(engine, "before_cursor_execute", kill)
        assert (await operator.get("/tenants")).json()["items"] == []
        again = await operator.post("/tenants", json=document(), headers=headers)
        assert (again.status_code, "Idempotent-Replayed" in again.headers) == (201, False)

    async def test_idempotency_key_older_than_a_day_is_deleted(self, operator, clock, pools):
        await operator.post("/tenants", json=document("old"), headers={"Idempotency-Key": "old"})
        headers = {"Idempotency-Key": "one"}
        await operator.post("/tenants", json=document(), headers=headers)
        clock.advance(hours=25)
        again = await operator.post("/tenants", json=document("other"), headers=headers)
        assert again.json()["name"] == "other"
        async with pools.begin(OPERATOR) as connection:
            kept = await connection.execute(text("select key from oltp.idempotency_keys"))
            assert kept.scalars().all() == ["one"]


class TestReplace:
    async def test_document_changed_raises_the_generation_once(self, operator):
        await create(operator)
        changed = document(mailboxes=[{"address": "a@acme.example"}])
        first = await operator.put("/tenants/acme", json=changed)
        assert (first.json()["generation"], first.headers["Penguin-Outcome"]) == (2, "configured")
        second = await operator.put("/tenants/acme", json=changed)
        assert (second.json()["generation"], second.headers["Penguin-Outcome"]) == (2, "unchanged")

    async def test_domain_removed_from_a_tenant_is_free(self, operator):
        await create(operator, domains=[{"name": "acme.example"}, {"name": "b.example"}])
        await operator.put("/tenants/acme", json=document())
        await create(operator, "bob", "b.example")

    async def test_document_with_another_name_is_refused(self, operator):
        await create(operator)
        answer = await operator.put("/tenants/acme", json=document("acne", "acme.example"))
        assert_shows(answer.json(), faults.TENANT_WRONG_NAME)

    @pytest.mark.parametrize(("status", "asked"), [("False", True), ("True", False)])
    async def test_document_unchanged_requests_a_pass_unless_ready(
        self, operator, pools, status, asked
    ):
        await create(operator)
        async with pools.begin(CONTROLLER) as connection:
            await connection.execute(
                text(
                    "insert into oltp.conditions select id, 'tenant', 'Ready', :status, 'Any', "
                    "'', 1, now() from oltp.tenants"
                ),
                {"status": status},
            )
            before = await connection.scalar(text("select requests from oltp.schedule"))
        answer = await operator.put("/tenants/acme", json=document())
        assert answer.headers["Penguin-Outcome"] == "unchanged"
        async with pools.begin(CONTROLLER) as connection:
            after = await connection.scalar(text("select requests from oltp.schedule"))
        assert (after > before) is asked


class TestApply:
    async def test_put_of_a_new_tenant_creates_it_once(self, operator):
        first = await operator.put("/tenants/acme", json=document())
        assert (first.status_code, first.headers["Penguin-Outcome"]) == (201, "created")
        assert first.headers["Location"] == "/api/v1/tenants/acme"
        second = await operator.put("/tenants/acme", json=document())
        assert (second.status_code, second.headers["Penguin-Outcome"]) == (200, "unchanged")
        assert second.json()["id"] == first.json()["id"]

    async def test_put_of_a_new_tenant_concurrently_creates_one(self, operator):
        answers = await asyncio.gather(
            *(operator.put("/tenants/acme", json=document()) for _ in range(3))
        )
        outcomes = sorted(answer.headers["Penguin-Outcome"] for answer in answers)
        assert outcomes == ["created", "unchanged", "unchanged"]

    async def test_put_of_a_new_tenant_with_a_tenants_key_is_refused(self, operator, client_of):
        client = await client_of((await create(operator))["id"])
        answer = await client.put("/tenants/bob", json=document("bob"))
        assert_shows(answer.json(), faults.NOT_FOUND, name="bob")
        assert (await operator.get("/tenants/bob")).status_code == 404

    async def test_put_with_the_etag_of_an_older_generation_is_refused(self, operator):
        await create(operator)
        read = (await operator.get("/tenants/acme")).headers["ETag"]
        change = {"json": document(plan="enterprise"), "headers": {"If-Match": read}}
        first = await operator.put("/tenants/acme", **change)
        assert (first.headers["ETag"], first.headers["Penguin-Outcome"]) == ('"2"', "configured")
        late = await operator.put("/tenants/acme", **change)
        assert late.status_code == 412
        assert_shows(late.json(), faults.TENANT_MOVED, state="at generation 2")
        assert (await operator.get("/tenants/acme")).headers["ETag"] == '"2"'

    @pytest.mark.parametrize("expected", ["*", '"1"', '"7", "1"'])
    async def test_put_with_the_current_etag_is_accepted(self, operator, expected):
        await create(operator)
        headers = {"If-Match": expected}
        answer = await operator.put("/tenants/acme", json=document(), headers=headers)
        assert (answer.status_code, answer.headers["Penguin-Outcome"]) == (200, "unchanged")

    @pytest.mark.parametrize("expected", ["*", '"1"', "1", 'W/"1"', ""])
    async def test_put_of_a_new_tenant_with_if_match_is_refused(self, operator, expected):
        headers = {"If-Match": expected}
        answer = await operator.put("/tenants/acme", json=document(), headers=headers)
        assert (answer.status_code, answer.json()["code"]) == (412, "tenant.moved")
        assert (await operator.get("/tenants")).json()["items"] == []

    async def test_put_with_if_none_match_of_an_existing_tenant_is_refused(self, operator):
        only = {"If-None-Match": "*"}
        first = await operator.put("/tenants/acme", json=document(), headers=only)
        assert first.headers["Penguin-Outcome"] == "created"
        second = await operator.put("/tenants/acme", json=document(plan="enterprise"), headers=only)
        assert second.status_code == 412
        assert_shows(
            second.json(), faults.TENANT_MOVED, state="at generation 1", header="If-None-Match"
        )
        assert (await operator.get("/tenants/acme")).json()["generation"] == 1


class TestAccess:
    async def test_request_without_a_valid_key_is_refused(self, operator):
        for key, code in (("", faults.KEY_MISSING), ("Bearer pm_live_x", faults.KEY_INVALID)):
            answer = await operator.get("/tenants", headers={"Authorization": key})
            assert_shows(answer.json(), code)

    async def test_key_without_the_scope_is_refused(self, client_of):
        reader = await client_of(scopes=(Scope.TENANTS_READ,))
        assert (await reader.get("/tenants")).status_code == 200
        answer = await reader.post("/tenants", json=document())
        assert_shows(answer.json(), faults.SCOPE_MISSING)

    async def test_key_of_a_tenant_reads_and_writes_that_tenant_only(self, operator, client_of):
        acme, bob = await create(operator), await create(operator, "bob")
        client = await client_of(acme["id"])
        listed = (await client.get("/tenants")).json()["items"]
        assert [item["name"] for item in listed] == ["acme"]
        for path in ("", "/blueprint", "/operations"):
            answer = await client.get(f"/tenants/bob{path}")
            assert_shows(answer.json(), faults.NOT_FOUND, name="bob")
        assert (await client.put("/tenants/bob", json=bob["document"])).status_code == 404
        events = (await client.get("/events")).json()["items"]
        assert {event["tenant"] for event in events} == {"acme"}
        changed = document(mailboxes=[{"address": "a@acme.example"}])
        assert (await client.put("/tenants/acme", json=changed)).json()["generation"] == 2
        stolen = await client.put(
            "/tenants/acme",
            json=document(domains=[{"name": "acme.example"}, {"name": "bob.example"}]),
        )
        assert_shows(stolen.json(), faults.DOMAIN_TAKEN, domain="bob.example")

    async def test_key_of_a_tenant_neither_creates_nor_deletes_tenants(self, operator, client_of):
        acme = await create(operator)
        client = await client_of(acme["id"])
        for answer in (
            await client.post("/tenants", json=document("more")),
            await client.delete("/tenants/acme"),
        ):
            assert_shows(answer.json(), faults.OPERATORS_ONLY)


async def test_tenant_deleted_accepts_no_changes_and_no_mail(operator):
    await create(operator)
    answer = await operator.delete("/tenants/acme")
    assert (answer.status_code, answer.json()["deleting"]) == (202, True)
    mail = {"from": "sales@acme.example", "to": "bob@rcpt.example", "subject": "Hi", "text": "Hi"}
    for refused in (
        await operator.put("/tenants/acme", json=document()),
        await operator.post("/messages?tenant=acme", json=mail),
    ):
        assert_shows(refused.json(), faults.TENANT_DELETING)


async def test_blueprint_of_a_new_document_is_rendered(operator):
    answer = (await operator.post("/blueprints", json=document())).json()
    assert answer["cost"]["usd_cents"] == 3899 + 499
    assert (await operator.get("/tenants/acme")).status_code == 404
    await create(operator)
    pending = await operator.get("/tenants/acme/blueprint")
    assert_shows(pending.json(), faults.KEYS_PENDING)


async def test_tenant_shows_its_monthly_cost(operator):
    made = await create(operator, "acme")
    blueprint = (await operator.post("/blueprints", json=made["document"])).json()
    [listed] = (await operator.get("/tenants")).json()["items"]
    costs = {shown["monthly_cost_usd_cents"] for shown in (made, listed)}
    assert costs == {blueprint["cost"]["usd_cents"]} != {0}


async def test_unknown_paths_and_methods_are_problems(operator):
    nowhere = await operator.get("/nowhere")
    assert_shows(nowhere.json(), faults.NO_SUCH_PATH)
    wrong = await operator.patch("/tenants/acme")
    assert_shows(wrong.json(), faults.WRONG_METHOD)


async def test_health_without_a_key_is_shown(operator):
    answer = await operator.get("/health", headers={"Authorization": ""})
    assert answer.json()["parts"]["db"] == {"status": "ok", "detail": "answers"}
    assert (await operator.get("/health/db")).status_code == 200
