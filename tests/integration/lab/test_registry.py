"""The lab's container registry refuses what the real one refuses, and has what was pushed."""

from __future__ import annotations

import json
import ssl
from collections.abc import Iterator
from typing import Any

import httpx2
import pytest
from starlette.applications import Starlette

from lab.registry.push import INDEX, MANIFEST, digest_of
from tests.support import plain_http
from tests.support.emulator import Emulator
from tests.support.image_registry import NEWER, ImageRegistry

NGINX = "/v2/mailu/nginx"
TAG = f"{NGINX}/manifests/{NEWER}"
TOKEN = {"service": "ghcr.io", "scope": "repository:mailu/nginx:pull"}
ACCEPT = {"Accept": f"{INDEX}, {MANIFEST}"}


@pytest.fixture
def client(image_registry: ImageRegistry) -> Iterator[httpx2.Client]:
    """A client that trusts the lab's authority."""
    context = ssl.create_default_context(cafile=image_registry.settings.ca_file)
    url = str(image_registry.settings.registry)
    with httpx2.Client(base_url=url, verify=context, trust_env=False) as client:
        yield client


@pytest.fixture
def reader(client: httpx2.Client) -> httpx2.Client:
    """The same with a token for one repository."""
    token = client.get("/token", params=TOKEN).json()["token"]
    client.headers["Authorization"] = f"Bearer {token}"
    return client


def code_of(answer: httpx2.Response) -> tuple[int, str]:
    [error] = answer.json()["errors"]
    return answer.status_code, error["code"]


def test_request_without_a_token_is_told_where_to_get_one(client: httpx2.Client) -> None:
    for method, path, actions in (
        ("GET", TAG, "pull"),
        ("GET", f"{NGINX}/blobs/sha256:{'0' * 64}", "pull"),
        ("GET", f"{NGINX}/tags/list", "pull"),
        ("PUT", TAG, "pull,push"),
        ("DELETE", TAG, "pull,push"),
    ):
        answer = client.request(method, path, headers=ACCEPT)
        assert code_of(answer) == (401, "UNAUTHORIZED"), (method, path)
        assert answer.headers["WWW-Authenticate"] == (
            f'Bearer realm="{client.base_url}/token",service="ghcr.io",'
            f'scope="repository:mailu/nginx:{actions}"'
        )
    base = client.get("/v2/")
    assert code_of(base) == (401, "UNAUTHORIZED")
    assert "repository:user/image:pull" in base.headers["WWW-Authenticate"]


def test_each_registry_names_itself_by_the_name_that_it_is_asked_by(
    client: httpx2.Client,
) -> None:
    answer = client.get("/v2/docker/library/redis/tags/list", headers={"Host": "public.ecr.aws"})
    challenge = answer.headers["WWW-Authenticate"]
    assert 'realm="https://public.ecr.aws/token",service="public.ecr.aws"' in challenge


def test_image_is_read_from_index_to_layer(
    image_registry: ImageRegistry, reader: httpx2.Client
) -> None:
    answer = reader.get(TAG, headers=ACCEPT)
    index = answer.json()
    digest = image_registry.digests[NEWER]["front"]
    assert answer.headers["Docker-Content-Digest"] == digest == digest_of(answer.content)
    assert answer.headers["Content-Type"] == index["mediaType"] == INDEX
    head = reader.head(TAG, headers=ACCEPT)
    assert (head.headers["Docker-Content-Digest"], head.content) == (digest, b"")
    assert int(head.headers["Content-Length"]) == len(answer.content)
    [described] = index["manifests"]
    assert described["platform"] == {"architecture": "amd64", "os": "linux"}
    manifest = reader.get(f"{NGINX}/manifests/{described['digest']}", headers=ACCEPT).json()
    for part in (manifest["config"], *manifest["layers"]):
        blob = reader.get(f"{NGINX}/blobs/{part['digest']}")
        assert digest_of(blob.content) == part["digest"]
        assert len(blob.content) == part["size"]
    piece = reader.get(f"{NGINX}/blobs/{part['digest']}", headers={"Range": "bytes=0-9"})
    assert (piece.status_code, piece.content) == (206, blob.content[:10])
    config = reader.get(f"{NGINX}/blobs/{manifest['config']['digest']}").json()
    assert len(config["rootfs"]["diff_ids"]) == 1


def test_any_token_opens_the_first_page_only(reader: httpx2.Client) -> None:
    assert reader.get("/v2/").status_code == 200
    other = reader.get(f"/v2/mailu/admin/manifests/{NEWER}", headers=ACCEPT)
    assert code_of(other) == (401, "UNAUTHORIZED")
    assert 'error="insufficient_scope"' in other.headers["WWW-Authenticate"]


def test_token_that_was_never_given_is_refused(client: httpx2.Client) -> None:
    answer = client.get(TAG, headers=ACCEPT | {"Authorization": "Bearer guessed"})
    assert code_of(answer) == (401, "UNAUTHORIZED")
    assert 'error="invalid_token"' in answer.headers["WWW-Authenticate"]


def test_token_to_read_does_not_let_write(reader: httpx2.Client) -> None:
    for method in ("PUT", "POST", "PATCH", "DELETE"):
        assert code_of(reader.request(method, TAG, content=b"{}")) == (403, "DENIED")


@pytest.mark.parametrize(
    "query",
    [
        TOKEN | {"scope": "repository:mailu/nginx:pull,push"},
        TOKEN | {"scope": "repository:mailu/unheard-of:pull"},
        TOKEN | {"service": "registry.docker.io"},
        {"service": "ghcr.io"},
        {"scope": TOKEN["scope"]},
    ],
    ids=str,
)
def test_no_token_is_given_for_anything_else(client: httpx2.Client, query: Any) -> None:
    assert code_of(client.get("/token", params=query)) == (403, "DENIED")


def test_no_token_is_given_to_an_account(client: httpx2.Client) -> None:
    assert code_of(client.get("/token", params=TOKEN, auth=("me", "secret"))) == (403, "DENIED")


def test_unknown_tag_and_an_index_that_is_not_accepted_are_unknown(reader: httpx2.Client) -> None:
    missing = reader.get(f"{NGINX}/manifests/2024.06.99", headers=ACCEPT)
    assert code_of(missing) == (404, "MANIFEST_UNKNOWN")
    assert reader.head(f"{NGINX}/manifests/2024.06.99", headers=ACCEPT).status_code == 404
    answer = reader.get(TAG, headers={"Accept": "application/json"})
    assert code_of(answer) == (404, "MANIFEST_UNKNOWN")
    assert "OCI index" in answer.json()["errors"][0]["message"]


def test_client_that_does_not_know_the_authority_gets_nothing(
    image_registry: ImageRegistry,
) -> None:
    with pytest.raises(httpx2.ConnectError, match="certificate verify failed"):
        httpx2.get(f"{image_registry.settings.registry}/v2/", trust_env=False)


def test_faults_are_injected_and_cleared(
    image_registry: ImageRegistry, reader: httpx2.Client, emulator: Emulator
) -> None:
    emulator.app = Starlette(routes=[image_registry.server.route()])
    control = f"{emulator.url}/_lab/registry"
    inject = {"fault": "unavailable", "times": 1}
    assert plain_http.post(control, json=inject).json() == {"unavailable": 1}
    assert code_of(reader.get(TAG, headers=ACCEPT)) == (503, "UNAVAILABLE")
    image_registry.server.inject("no_digest")
    answer = reader.head(TAG, headers=ACCEPT)
    assert (answer.status_code, answer.headers.get("Docker-Content-Digest")) == (200, None)
    image_registry.server.inject("denied")
    assert code_of(reader.get("/token", params=TOKEN)) == (403, "DENIED")
    assert plain_http.post(control, json={"fault": "away"}).json() == {"away": -1}
    with pytest.raises(httpx2.TransportError):
        reader.get(TAG, headers=ACCEPT)
    mistake = plain_http.post(control, json={"fault": "slow"})
    assert mistake.status_code == 400
    assert "away, unavailable, no_digest, denied" in mistake.json()["error"]
    assert plain_http.delete(control).json() == {}
    assert reader.get(TAG, headers=ACCEPT).status_code == 200
    assert json.loads(reader.get(f"{NGINX}/tags/list").content)["name"] == "mailu/nginx"
