"""Operators pin the images of hosts: all digests of a version as the registry has them, or none."""

from __future__ import annotations

import socket
from collections.abc import Mapping
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx2
import pytest
from sqlalchemy import text
from sqlalchemy.exc import ProgrammingError

from controlplane.database import API, CONTROLLER, Database
from controlplane.faults import OPERATORS_ONLY, SCOPE_MISSING
from controlplane.identity.keys import Scope
from controlplane.images import faults
from controlplane.images.catalogue import images_of
from controlplane.images.registry import Registries
from controlplane.images.settings import ImageSettings
from kit.faults import Code
from tests.integration.controlplane.conftest import create
from tests.support.faults import assert_shows, fault_shown
from tests.support.image_registry import HALF, NEWER, OLDER, ImageRegistry

PATH = "/platform/images"


@pytest.fixture
def images(image_registry: ImageRegistry) -> ImageSettings:
    return image_registry.settings


async def pin(operator: httpx2.AsyncClient, version: str, **more: Any) -> dict[str, Any]:
    answer = await operator.post(PATH, json={"version": version, **more})
    assert answer.status_code == 200, answer.text
    return dict(answer.json())


async def pinned(operator: httpx2.AsyncClient) -> dict[str, dict[str, Any]]:
    items = (await operator.get(PATH)).json()["items"]
    return {item["service"]: item for item in items}


async def events(operator: httpx2.AsyncClient) -> list[dict[str, Any]]:
    items = (await operator.get("/events")).json()["items"]
    return [event for event in items if event["reason"] == "ImagesPinned"]


async def test_all_images_of_a_version_are_pinned_by_what_the_registry_says(
    operator, image_registry, clock
):
    assert await pinned(operator) == {}
    done = await pin(operator, NEWER)
    assert done["outcome"] == "pinned"
    assert {one["old_digest"] for one in done["images"]} == {None}
    rows = await pinned(operator)
    assert {name: row["digest"] for name, row in rows.items()} == image_registry.digests[NEWER]
    front = rows["front"]
    assert (front["image"], front["tag"]) == ("ghcr.io/mailu/nginx", NEWER)
    assert front["registry"] == image_registry.settings.registry
    assert rows["redis"]["image"] == "public.ecr.aws/docker/library/redis"
    [event] = await events(operator)
    assert (event["tenant"], event["subject"], event["kind"]) == (None, "platform", "images")
    digest = image_registry.digests[NEWER]["front"].removeprefix("sha256:")[:12]
    assert event["message"].startswith(f"Mailu {NEWER}: front none -> {digest}, ")
    assert event["actor"] == front["pinned_by"]
    assert front["pinned_at"] == event["at"] == clock().isoformat().replace("+00:00", "Z")


async def test_another_version_replaces_what_was_pinned(operator, image_registry):
    await pin(operator, OLDER)
    done = await pin(operator, NEWER)
    changes = {one["service"]: one for one in done["images"]}
    assert changes["front"]["old_tag"] == OLDER
    assert changes["front"]["old_digest"] == image_registry.digests[OLDER]["front"]
    assert changes["front"]["digest"] == image_registry.digests[NEWER]["front"]
    assert changes["redis"]["old_digest"] == changes["redis"]["digest"]
    rows = await pinned(operator)
    assert {name: row["digest"] for name, row in rows.items()} == image_registry.digests[NEWER]
    assert "redis" not in (await events(operator))[-1]["message"]


async def test_what_is_pinned_already_is_not_written_again(operator, clock):
    await pin(operator, NEWER)
    before = await pinned(operator)
    clock.advance(minutes=1)
    assert (await pin(operator, NEWER))["outcome"] == "unchanged"
    assert await pinned(operator) == before
    assert len(await events(operator)) == 1


async def test_dry_run_changes_nothing(operator):
    shown = await pin(operator, NEWER, dry_run=True)
    assert shown["outcome"] == "dry_run"
    assert await pinned(operator) == {}
    assert await events(operator) == []
    digests = {one["service"]: one["digest"] for one in shown["images"]}
    assert (await pin(operator, NEWER, shown=digests))["outcome"] == "pinned"


async def test_other_digests_than_those_that_were_shown_are_not_pinned(operator):
    shown = await pin(operator, NEWER, dry_run=True)
    digests = {one["service"]: one["digest"] for one in shown["images"]}
    for wrong in ({}, digests | {"front": f"sha256:{'0' * 64}"}):
        answer = await operator.post(PATH, json={"version": NEWER, "shown": wrong})
        assert_shows(answer.json(), faults.MOVED, version=NEWER)
    assert await pinned(operator) == {}


@pytest.mark.parametrize("version", ["2024.06.51", "2023.12.99", "1999.01.0"])
async def test_version_with_a_known_hole_is_refused(operator, version):
    answer = await operator.post(PATH, json={"version": version})
    assert_shows(answer.json(), faults.TOO_OLD, version=version, oldest="2024.06.52")


@pytest.mark.parametrize("version", ["2024.06", "master", "latest", "2024.06.57@sha256:00", "../x"])
async def test_only_a_release_in_full_is_a_version(operator, version):
    answer = await operator.post(PATH, json={"version": version})
    assert answer.status_code == 422
    [violation] = answer.json()["violations"]
    assert violation["path"] == "version"


async def test_version_without_one_of_its_images_changes_none(operator, image_registry):
    await pin(operator, OLDER)
    answer = await operator.post(PATH, json={"version": HALF})
    assert_shows(
        answer.json(),
        faults.UNKNOWN,
        registry=image_registry.settings.registry,
        image=f"ghcr.io/mailu/webmail:{HALF}",
    )
    assert {row["tag"] for row in (await pinned(operator)).values()} == {OLDER, "alpine"}


@pytest.mark.parametrize(
    ("fault", "code", "values"),
    [
        ("away", faults.UNREACHABLE, {"reason": ...}),
        ("unavailable", faults.UNCLEAR, {"reason": "it answers 503"}),
        (
            "no_digest",
            faults.UNCLEAR,
            {"reason": "its answer has no valid Docker-Content-Digest"},
        ),
        ("denied", faults.UNKNOWN, {}),
    ],
)
async def test_registry_in_trouble_is_named_and_nothing_is_pinned(
    operator, image_registry, fault: str, code: Code, values: Mapping[str, object]
):
    image_registry.server.inject(fault)
    answer = await operator.post(PATH, json={"version": NEWER})
    image = {"image": ...} if "image" in code.example else {}
    registry = image_registry.settings.registry
    assert_shows(answer.json(), code, registry=registry, **image, **values)
    assert await pinned(operator) == {}
    image_registry.server.clear()
    assert (await pin(operator, NEWER))["outcome"] == "pinned"


async def test_registry_of_an_unknown_authority_is_not_trusted(image_registry, tmp_path: Path):
    url = image_registry.settings.registry
    with fault_shown(faults.UNTRUSTED, registry=url, reason=...):
        await Registries(ImageSettings(registry=url)).digests(images_of(NEWER))
    missing = tmp_path / "ca.crt"
    with fault_shown(
        faults.UNTRUSTED, registry=url, reason=f"{missing}: No such file or directory"
    ):
        settings = ImageSettings(registry=url, ca_file=missing)
        await Registries(settings).digests(images_of(NEWER))


async def test_registry_that_does_not_answer_in_time_is_not_waited_for(image_registry):
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"https://127.0.0.1:{silent.getsockname()[1]}"
        settings = image_registry.settings.model_copy(update={"registry": url})
        with fault_shown(faults.UNREACHABLE, registry=url, reason="no answer in time"):
            await Registries(settings, deadline=0.2).digests(images_of(NEWER))


async def test_pinned_images_make_every_tenant_due(operator, pools: Database, clock):
    await create(operator)
    later = clock() + timedelta(hours=1)
    async with pools.begin(CONTROLLER) as connection:
        await connection.execute(text("update oltp.schedule set due_at = :at"), {"at": later})
    await pin(operator, NEWER, dry_run=True)
    async with pools.begin(CONTROLLER) as connection:
        assert await connection.scalar(text("select due_at from oltp.schedule")) == later
    await pin(operator, NEWER)
    async with pools.begin(CONTROLLER) as connection:
        assert await connection.scalar(text("select due_at from oltp.schedule")) == clock()


async def test_only_operators_see_and_pin_images(operator, client_of, pools: Database):
    tenant = await client_of((await create(operator))["id"])
    for answer in (await tenant.get(PATH), await tenant.post(PATH, json={"version": NEWER})):
        assert_shows(answer.json(), OPERATORS_ONLY)
    reader = await client_of(scopes=(Scope.TENANTS_READ,))
    refused = await reader.post(PATH, json={"version": NEWER})
    assert_shows(refused.json(), SCOPE_MISSING, scope="tenants:write")
    assert (await reader.get(PATH)).status_code == 200
    await pin(operator, NEWER)
    async with pools.begin(CONTROLLER) as connection:
        count = await connection.scalar(text("select count(*) from oltp.pinned_images"))
    assert count == 8
    with pytest.raises(ProgrammingError, match="permission denied"):
        async with pools.begin(API) as connection:
            await connection.execute(text("select * from oltp.pinned_images"))
