"""A check of Schemathesis: what the schema accepts, the API accepts, but for rules across fields.

Read by `st run` as its module of hooks. It replaces `positive_data_acceptance`, which cannot tell
a rule that no schema expresses from a field whose schema is too wide.
"""

from __future__ import annotations

from typing import Any

import schemathesis
from schemathesis.checks import CheckContext
from schemathesis.core.transport import Response
from schemathesis.generation.case import Case
from schemathesis.specs.openapi.checks import positive_data_acceptance

from blueprint import faults as document_faults
from controlplane import faults
from sender import faults as message_faults

ACROSS_FIELDS = {
    code.name
    for code in (
        *document_faults.ACROSS_FIELDS,
        *faults.ACROSS_FIELDS,
        *message_faults.ACROSS_FIELDS,
        faults.TENANT_MOVED,  # like a 409: what the tenant is at the moment
    )
}


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
