"""A check of Schemathesis: what the schema accepts, the API accepts, but for rules across fields.

Read by `st run` as its module of hooks. The check replaces `positive_data_acceptance`, which cannot
tell a rule that no schema expresses from a field whose schema is too wide.
"""

from __future__ import annotations

from typing import Any

import schemathesis
from schemathesis import HookContext
from schemathesis.checks import CheckContext
from schemathesis.core.transport import Response
from schemathesis.generation.case import Case
from schemathesis.specs.openapi.checks import positive_data_acceptance

from blueprint import faults as document_faults
from controlplane import faults
from controlplane.images import faults as image_faults
from sender import faults as message_faults

ACROSS_FIELDS = {
    code.name
    for code in (
        *document_faults.ACROSS_FIELDS,
        *faults.ACROSS_FIELDS,
        *message_faults.ACROSS_FIELDS,
        faults.WRONG_CURSOR,  # its numbers are those of a snapshot, which no pattern says
        faults.TENANT_MOVED,  # like a 409: what the tenant is at the moment
        image_faults.TOO_OLD,
        image_faults.UNKNOWN,  # what the registry has at the moment
    )
}


LONGEST = 10_000
"""Characters of a text that is generated. Those of megabytes took a third of the time; their limits
are tried by `tests/unit/controlplane/test_bodies.py`."""


@schemathesis.hook
def before_load_schema(context: HookContext, raw_schema: dict[str, Any]) -> None:
    """Remove the limits of texts that are longer, since one beyond them is generated."""
    del context
    waiting: list[Any] = [raw_schema]
    while waiting:
        schema = waiting.pop()
        if isinstance(schema, list):
            waiting += schema
        elif isinstance(schema, dict):
            waiting += schema.values()
            limit = schema.get("maxLength")
            if isinstance(limit, int) and limit > LONGEST:
                del schema["maxLength"]


@schemathesis.check
def data_of_the_schema_is_accepted(
    context: CheckContext, response: Response, case: Case[Any]
) -> bool | None:
    """Fail where a single field of valid data is refused."""
    if response.status_code in (412, 422):
        problem = response.json()
        codes = {violation["code"] for violation in problem["violations"]} or {problem["code"]}
        if codes <= ACROSS_FIELDS:
            return None
    return positive_data_acceptance(context, response, case)
