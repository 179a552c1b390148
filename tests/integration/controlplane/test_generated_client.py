"""A client that is generated from the OpenAPI document has typed documents."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from importlib import import_module
from types import ModuleType
from typing import Any

import pytest
from pydantic import ValidationError

from blueprint.schema import tenant_schema
from sandbox.reference.api import description


@pytest.fixture(scope="module")
def client(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ModuleType]:
    """Types generated from the description."""
    directory = tmp_path_factory.mktemp("client")
    source, code = directory / "openapi.json", directory / "generated_client.py"
    source.write_text(json.dumps(description()))
    options = {
        "--input": str(source),
        "--input-file-type": "openapi",
        "--output": str(code),
        "--output-model-type": "pydantic_v2.BaseModel",
        "--target-python-version": "3.11",
        "--formatters": "builtin",
    }
    arguments = [text for option in options.items() for text in option]
    program = [sys.executable, "-m", "datamodel_code_generator", "--set-default-enum-member"]
    done = subprocess.run([*program, *arguments], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(directory)
        yield import_module(code.stem)
        del sys.modules[code.stem]


def tenant(client: ModuleType, **host: Any) -> Any:
    host = {"name": "mx1", "mail": client.MailboxServer.none, **host}
    return client.Tenant(
        apiVersion="penguinmails.dev/v1",
        kind="Tenant",
        metadata=client.Metadata(name="acme", labels={"team": "mail"}),
        spec=client.TenantSpec(
            plan=client.Plan.business,
            region="us-west",
            hosts=[client.HostSpec(size=client.Size.business, **host)],
            domains=[client.DomainSpec(name="acme.example")],
            mailboxes=[client.MailboxSpec(address="sales@acme.example")],
            sending=client.SendingSpec(postal_address="Acme Inc., Springfield"),
        ),
    )


async def test_body_of_a_generated_client_is_applied_and_its_answer_has_types(operator, client):
    body = tenant(client, addresses=3)
    answer = await operator.put("/tenants/acme", json=body.model_dump(mode="json"))
    assert answer.status_code == 201, answer.text
    shown = client.TenantView.model_validate(answer.json())
    assert shown.document == body
    blueprint = await operator.post("/blueprints", json=body.model_dump(mode="json"))
    assert client.Blueprint.model_validate(blueprint.json()).hosts[0].name == "mx1"


async def test_message_of_a_generated_client_is_queued(operator, client):
    body = tenant(client).model_dump(mode="json")
    assert (await operator.put("/tenants/acme", json=body)).status_code == 201
    values = {"from": "sales@acme.example", "to": "bob@rcpt.example", "subject": "Hi", "text": "x"}
    message = client.OutgoingMessage(**values).model_dump(
        mode="json", by_alias=True, exclude_unset=True
    )
    answer = await operator.post("/messages", params={"tenant": "acme"}, json=message)
    assert answer.status_code == 202, answer.text
    assert client.Queued.model_validate(answer.json())


@pytest.mark.parametrize("wrong", [{"addresses": 33}, {"adresses": 3}, {"zone": "ACME"}])
def test_body_of_a_generated_client_with_a_mistake_is_refused_by_its_types(client, wrong):
    with pytest.raises(ValidationError):
        tenant(client, **wrong)


def test_tenant_of_the_description_is_the_json_schema() -> None:
    described = description()["components"]["schemas"]
    text = json.dumps(tenant_schema()).replace("#/$defs/", "#/components/schemas/")
    schema = json.loads(text, object_hook=_without_null_default)
    parts = schema.pop("$defs")
    del schema["$schema"], schema["$comment"]
    assert described["Tenant"] == schema
    assert {name: described[name] for name in parts} == parts


def _without_null_default(values: dict[str, Any]) -> dict[str, Any]:
    """Remove null defaults and the nulls in defaults, which FastAPI omits."""
    kept = {key: value for key, value in values.items() if (key, value) != ("default", None)}
    default = kept.get("default")
    if isinstance(default, dict):
        kept["default"] = {key: value for key, value in default.items() if value is not None}
    return kept
