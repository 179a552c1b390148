"""Errors as part of the product: a code is an object, and every interface prints the same fault.

A package declares its codes in one table (`<package>/faults.py`):

    FAULTS = Table("hostwinds")
    UNREACHABLE = FAULTS.code(
        "hostwinds.unreachable",
        message="{url} does not answer: {reason}",
        remedy="check HOSTWINDS_API_URL and the network",
        cause="The provider's API did not answer, or answered in another format.",
        example={"url": "https://api.example", "reason": "connection refused"},
        status=502,
        retryable=True,
        acts=Actor.OPERATOR,
    )

and raises them by calling the code: `raise UNREACHABLE(url=url, reason=str(error))`. The API's
problem, the command line's output, conditions and `docs/reference/errors.md` are printed from it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from string import Formatter


class Actor(StrEnum):
    """Who has to act before the fault goes away."""

    USER = "user"
    """The author of the file or request."""
    OPERATOR = "operator"
    """The operator of the control plane."""
    PROVIDER = "provider"
    """Hostwinds, Cloudflare or another external service."""
    NOBODY = "nobody"
    """It is retried automatically."""


@dataclass(frozen=True)
class Violation:
    """One of several reasons why an input is refused.

    `path` leads to a value of the document (`spec.hosts[0].size`); `file`, `line` and `column`
    (from 1) are None for a request's body.
    """

    code: Code
    message: str
    remedy: str
    path: str = ""
    file: str | None = None
    line: int | None = None
    column: int | None = None
    suggestion: str | None = None

    @property
    def where(self) -> str:
        """Return the position: `tenants/acme.yaml:7:5 spec.hosts[0].sice`."""
        position = ":".join(str(part) for part in (self.file, self.line, self.column) if part)
        return f"{position} {self.path}".strip()


class Fault(Exception):
    """A failure with a stable code. `str()` is the message; `sentence` adds position and remedy."""

    def __init__(
        self,
        code: Code,
        message: str,
        remedy: str,
        *,
        where: str | None = None,
        violations: tuple[Violation, ...] = (),
    ) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.remedy = remedy
        self.where = where
        self.violations = violations

    @property
    def retryable(self) -> bool:
        """Whether a retry can succeed."""
        return self.code.retryable

    @property
    def located(self) -> str:
        """Return position and message, as shown in an operation's row."""
        return f"{self.where}: {self.message}" if self.where else self.message

    @property
    def sentence(self) -> str:
        """Return position, message and remedy in one line, for conditions and logs."""
        return f"{self.located}; {self.remedy}" if self.remedy else self.located

    def at(self, where: str) -> Fault:
        """Set the position unless it has one; return the fault itself."""
        self.where = self.where or where
        return self


@dataclass(frozen=True)
class Code:
    """A kind of failure. `message` and `remedy` are format strings over the keys of `example`."""

    name: str
    """Stable: `hostwinds.unreachable`."""
    message: str
    """What happened: lower case, no final dot."""
    remedy: str
    """What to do: one imperative clause; empty where there is nothing to do."""
    cause: str
    """Why it happens, one sentence for the reference."""
    example: Mapping[str, object] = field(default_factory=dict)
    """Values of the fields as the reference shows them."""
    status: int | None = None
    """HTTP status where the fault ends a request; None where it never does."""
    retryable: bool = False
    """Whether a retry can succeed."""
    acts: Actor = Actor.USER
    raises: type[Fault] = Fault
    """Class of the fault, where callers catch by class."""
    of_account: bool = False
    """Whether it concerns an account of a provider, and so everyone who uses it."""

    def __post_init__(self) -> None:
        """Refuse an example that does not fill the message and the remedy."""
        needed = _fields(self.message) | _fields(self.remedy)
        if needed != set(self.example):
            msg = f"{self.name}: the example must give {sorted(needed)}"
            raise ValueError(msg)

    def __hash__(self) -> int:
        """Hash by name: names are unique."""
        return hash(self.name)

    def __str__(self) -> str:
        """Return the name."""
        return self.name

    @property
    def reason(self) -> str:
        """Return the code as a condition's reason: `dns.missing` is `DnsMissing`."""
        return reason_of(self.name)

    def __call__(
        self,
        *,
        where: object = None,
        violations: tuple[Violation, ...] = (),
        **values: object,
    ) -> Fault:
        """Return the fault to raise; `values` fill the message and the remedy."""
        return self.raises(
            self,
            self.message.format(**values),
            self.remedy.format(**values),
            where=None if where is None else str(where),
            violations=violations,
        )

    def violation(
        self,
        *,
        path: str = "",
        file: str | None = None,
        line: int | None = None,
        column: int | None = None,
        suggestion: str | None = None,
        **values: object,
    ) -> Violation:
        """Return one of several reasons why an input is refused."""
        return Violation(
            self,
            self.message.format(**values),
            self.remedy.format(**values),
            path=path,
            file=file,
            line=line,
            column=column,
            suggestion=suggestion,
        )

    def shown(self) -> Fault:
        """Return the example as a fault: the text of the reference."""
        return self.raises(
            self, self.message.format(**self.example), self.remedy.format(**self.example)
        )


class Table:
    """The codes of one package, in the order of their declaration; `about` is for the reference."""

    def __init__(self, package: str, about: str = "") -> None:
        self.package = package
        self.about = about
        self._codes: dict[str, Code] = {}

    def code(
        self,
        name: str,
        *,
        message: str,
        remedy: str,
        cause: str,
        example: Mapping[str, object] | None = None,
        status: int | None = None,
        retryable: bool = False,
        acts: Actor = Actor.USER,
        raises: type[Fault] = Fault,
        of_account: bool = False,
    ) -> Code:
        """Declare a code; raises ValueError when its name is taken."""
        if name in self._codes:
            msg = f"{name} is declared twice"
            raise ValueError(msg)
        declared = Code(
            name, message, remedy, cause, example or {}, status, retryable, acts, raises, of_account
        )
        self._codes[name] = declared
        return declared

    def __iter__(self) -> Iterator[Code]:
        """Iterate over the codes."""
        return iter(self._codes.values())

    def get(self, name: str) -> Code | None:
        """Return the code of a name that was read from text, such as the engine's output."""
        return self._codes.get(name)


def reason_of(name: str) -> str:
    """Return the name of a code as a condition's reason: `dns.missing` is `DnsMissing`."""
    return "".join(part.capitalize() for part in name.replace(".", "_").split("_"))


def line(fault: Fault) -> str:
    """Return a fault in one line, for another process to parse: `[code] message[; do: remedy]`."""
    remedy = f"; do: {fault.remedy}" if fault.remedy else ""
    return f"[{fault.code}] {fault.message}{remedy}"


def first_line(error: BaseException | None, default: str = "no reason was given") -> str:
    """Return the first line of an error's text without `[Errno …]`, for messages to users."""
    text = re.sub(r"^\[Errno -?\d+\] ", "", str(error or "").strip())
    return next(iter(text.splitlines()), default)


def _fields(text: str) -> set[str]:
    return {name for _, name, _, _ in Formatter().parse(text) if name}
