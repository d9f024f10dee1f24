"""``x-ocdp``: what a template's schema says of a property beside JSON Schema."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Annotated, Any, Final

from pydantic import (
    AfterValidator,
    BeforeValidator,
    ConfigDict,
    Field,
    StrictBool,
    StrictInt,
    ValidationError,
)

from ocdp_operator.model.quantity import Quantity
from ocdp_operator.model.secrets import Alphabet, GenerateRule
from ocdp_operator.model.wire import WireModel

KEYWORD: Final = "x-ocdp"
QUANTITY: Final = "quantity"
"""``format`` of a text that is a Kubernetes quantity."""
MAX_IMMUTABLE: Final = 20
"""Properties of one schema that may be immutable: the claim's status keeps a digest of each."""


def _as_text(value: Any) -> Any:
    return str(value) if type(value) in {int, float} else value


def _quantity(text: str) -> str:
    try:
        Quantity.parse(text)
    except ValueError:
        raise ValueError("is a Kubernetes quantity, such as 500m or 2Gi") from None
    return text


QuantityText = Annotated[str, BeforeValidator(_as_text), AfterValidator(_quantity)]


class Generate(WireModel):
    """How a secret that is not given is made."""

    model_config = ConfigDict(extra="forbid")

    length: StrictInt = Field(default=24, ge=8, le=1024)
    """Of the random part."""
    alphabet: Alphabet = Alphabet.ALPHANUMERIC
    prefix: str = Field(default="", pattern=r"^[A-Za-z0-9._~-]{0,32}$")

    @property
    def rule(self) -> GenerateRule:
        """The same for the credentials stage."""
        return GenerateRule(self.length, self.alphabet, self.prefix)


class Keyword(WireModel):
    """One ``x-ocdp``. What it does not know is an error: a misspelt ``secret`` would publish a password."""

    model_config = ConfigDict(extra="forbid")

    secret: StrictBool = False
    """Given as a reference to a Secret; in no rendering, message or record."""
    generate: Generate | None = None
    """A secret that is made when none is given."""
    immutable: StrictBool = False
    """Cannot be changed after the claim was made."""
    hidden: StrictBool = False
    """Set by the platform, and shown in no form."""
    readonly: StrictBool = False
    """Set by the platform, and shown."""
    from_: str | None = Field(
        default=None, alias="from", pattern=r"^(profile|workspace|claim)(\.[A-Za-z0-9_-]+)+$", max_length=256
    )
    """Where its value comes from when the claim gives none."""
    unit: str | None = Field(default=None, pattern=r"^[A-Za-z%]{1,16}$")
    """Appended to a number: ``20`` becomes ``20Gi``."""
    minimum: QuantityText | None = None
    maximum: QuantityText | None = None

    @property
    def is_secret(self) -> bool:
        """What is generated is a secret too."""
        return self.secret or self.generate is not None

    @property
    def is_platforms(self) -> bool:
        """Whether a claim may not set it."""
        return self.hidden or self.readonly


def keyword_of(node: Mapping[str, Any]) -> Keyword:
    """What a schema says beside JSON Schema; all defaults where it says nothing. Raises ValueError."""
    return Keyword.model_validate(node[KEYWORD]) if KEYWORD in node else _SILENT


_SILENT: Final = Keyword()


def keyword_faults(node: Mapping[str, Any]) -> Iterator[tuple[tuple[str | int, ...], str]]:
    """What is wrong with the ``x-ocdp`` of one schema: steps below the schema, and why."""
    try:
        known = keyword_of(node)
    except ValidationError as error:
        yield from (_fault(each) for each in error.errors(include_input=False, include_url=False))
        return
    if known.is_secret:
        yield from _secret_faults(known, node)
    if known.is_platforms and known.from_ is None and "default" not in node:
        yield (KEYWORD,), "what a claim may not set needs a value: write `from` or a default"
    if (known.minimum or known.maximum) and node.get("format") != QUANTITY:
        yield (KEYWORD,), f"minimum and maximum are quantities here: write `format: {QUANTITY}` beside it"
    if known.minimum and known.maximum and Quantity.parse(known.minimum) > Quantity.parse(known.maximum):
        yield (KEYWORD, "minimum"), "is more than maximum"


def _fault(error: Any) -> tuple[tuple[str | int, ...], str]:
    steps = error["loc"]
    model = Generate if len(steps) > 1 else Keyword
    known = ", ".join(field.alias or name for name, field in model.model_fields.items())
    message = {
        "extra_forbidden": f"unknown; there are {known}",
        "model_type": "is a mapping",
    }.get(error["type"], str(error["msg"]).removeprefix("Value error, "))
    return (KEYWORD, *steps), message


def _secret_faults(known: Keyword, node: Mapping[str, Any]) -> Iterator[tuple[tuple[str | int, ...], str]]:
    for keyword in ("default", "const", "enum", "examples"):
        if keyword in node:
            yield (keyword,), "a secret has none: whoever reads the schema would know it"
    for name, said in (("hidden", known.hidden), ("readonly", known.readonly), ("from", known.from_)):
        if said:
            yield (KEYWORD, name), "a secret is given by the claim, or generated"
