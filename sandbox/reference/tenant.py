"""The page of the tenant document, field by field."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, get_args, get_origin

from pydantic import BaseModel

from blueprint import tenant
from blueprint.catalogue import PLANS, SIZES, UNLIMITED
from blueprint.faults import ACROSS_FIELDS
from blueprint.warmup import ADDRESS, DOMAIN, MAILBOX, Staircase

PLAN_NOTES = """
Domains: a document that adds domains beyond the number is refused; one that keeps what the tenant
has, or less, passes. Addresses included: a price, not a limit; the cost shows which of the further
addresses the plan covers. Mails a month are counted when they are queued, by calendar months (UTC);
mails queued are those that wait at a time, whatever for. **Not enforced
yet:** mails a day of a size. Caps of warm-up and mailboxes are.
"""
WARM_UP = """
## Warm-up

Mails a day; the lowest cap counts, and at most a fifth of a day's cap leaves in an hour (three
mails always may). Every address, every address at each receiving provider, every From domain and
every mailbox has days of its own, from the first on. A day counts when at least 70 % of the curve's
number was sent and nothing was held; two holds in a week take one day back, and 30 idle days start
again.

| Curve | Each address, also at each provider | Each From domain | Each mailbox |
|---|---|---|---|
"""
LIMITS = {
    "ge": "from {}",
    "le": "to {}",
    "max_length": "at most {} characters",
    "min_length": "at least {}",
}


HEAD = """# Tenant file

A YAML or JSON document; unknown keys are errors. Words are read as JSON has them: a number is
written in decimal digits, a truth value is `true` or `false`, nothing is a date. A word such as
`010`, `yes` or `2026-01-01` is a text where a text is wanted, and refused elsewhere. A key with
nothing after it, or `null`, is left out. Aliases are read; tags of types, merge keys and repeated
keys are refused. Several documents are separated by `---`; texts of JSON may follow one another.

[tenant.schema.json](tenant.schema.json) is its
JSON Schema (`penguin schema tenant` prints it). Editors with the YAML language server check a file
that begins with `# yaml-language-server: $schema=PATH`, as
[tenants/acme.yaml](../../tenants/acme.yaml) does.
"""
RULES = """
## Rules across fields

Checked by `penguin apply`, `penguin diff`, `penguin render` and the API; not in the JSON Schema.

| Code | Why |
|---|---|
"""


def page() -> str:
    """Describe the document, and the catalogue of its plans and sizes."""
    text = HEAD
    for model in _models(tenant.Tenant):
        text += f"\n## {model.__name__}\n\n{(model.__doc__ or '').strip()}\n\n"
        text += "| Key | Type | Default | |\n|---|---|---|---|\n"
        for name, field in model.model_fields.items():
            default = "required" if field.is_required() else f"`{_default(field)}`"
            description = " ".join((field.description or "").split()).rstrip(".")
            about = "; ".join(filter(None, (description, _limits(field))))
            kind = _type(field.annotation)
            text += f"| `{field.alias or name}` | {kind} | {default} | {about} |\n"
    return text + _rules() + _catalogue()


def _rules() -> str:
    return RULES + "".join(f"| `{code}` | {code.cause} |\n" for code in ACROSS_FIELDS)


def _catalogue() -> str:
    text = (
        "\n## Plans\n\n| Plan | Domains | Mails a month | Mails queued | Addresses included |\n"
        "|---|---|---|---|---|\n"
    )
    for plan, limits in PLANS.items():
        figures = (
            limits.domains,
            limits.mails_per_month,
            limits.mails_queued,
            limits.included_addresses,
        )
        shown = ["unlimited" if figure == UNLIMITED else str(figure) for figure in figures]
        text += f"| `{plan}` | {' | '.join(shown)} |\n"
    text += PLAN_NOTES
    text += (
        "\n## Sizes\n\n| Size | Processors | Memory | Disk | Mails a day |\n|---|---|---|---|---|\n"
    )
    for size, spec in SIZES.items():
        text += f"| `{size}` | {spec.cpu} | {spec.ram_mb // 1024} GB | {spec.disk_gb} GB "
        text += f"| {spec.mails_per_day} |\n"
    text += WARM_UP
    for warmup, address in ADDRESS.items():
        box = MAILBOX[warmup]
        text += f"| `{warmup}` | {_growth(address)} | {_growth(DOMAIN[warmup])} "
        text += f"| {box.start} to {box.target} in {box.days} days |\n"
    return text


def _growth(curve: Staircase) -> str:
    every = "day" if curve.interval == 1 else f"{curve.interval} days"
    return f"{curve.start} to {curve.target} in {curve.days} days, +{curve.percent} % every {every}"


def _limits(field: Any) -> str:
    """Return the limits of a value beyond its type."""
    limits: list[str] = []
    for rule in field.metadata + _inner_metadata(field.annotation):
        if (remedy := getattr(rule, "remedy", None)) is not None:
            limits.insert(0, remedy.removeprefix("write "))
        limits += [
            text.format(getattr(rule, key))
            for key, text in LIMITS.items()
            if getattr(rule, key, None) is not None
        ]
    return ", ".join(limits)


def _inner_metadata(annotation: Any) -> list[Any]:
    """Return the rules of `Annotated[…] | None`."""
    rules: list[Any] = []
    for argument in get_args(annotation) if get_origin(annotation) is not dict else ():
        for rule in getattr(argument, "__metadata__", ()):
            rules += rule.metadata if hasattr(rule, "metadata") else [rule]
    return rules


def _models(model: type[BaseModel]) -> Iterator[type[BaseModel]]:
    yield model
    for field in model.model_fields.values():
        for inner in _inner(field.annotation):
            yield from _models(inner)


def _inner(annotation: Any) -> Iterator[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    for argument in get_args(annotation):
        yield from _inner(argument)


def _type(annotation: Any) -> str:
    arguments = [argument for argument in get_args(annotation) if argument is not type(None)]
    if annotation in (str, int):
        return "text" if annotation is str else "number"
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation.__name__
    if isinstance(annotation, type) and hasattr(annotation, "__members__"):
        return ", ".join(f"`{member}`" for member in annotation.__members__.values())
    if get_origin(annotation) is tuple:
        return f"list of {_type(arguments[0])}"
    if get_origin(annotation) is dict:
        return "mapping of texts"
    if arguments and all(isinstance(argument, str) for argument in arguments):
        return " or ".join(f"`{argument}`" for argument in arguments)
    return _type(arguments[0]) if arguments else "text"


def _default(field: Any) -> str:
    value = field.get_default(call_default_factory=True)
    if isinstance(value, BaseModel):
        return "{}"
    if isinstance(value, tuple):
        return f"[{', '.join(map(str, value))}]"
    return "absent" if value is None else str(value)
