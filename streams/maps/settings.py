"""Settings of topics that others write."""

from collections.abc import Mapping
from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, BeforeValidator, Field, SecretStr, model_validator

from streams.maps.expression import MISSING, Expression, steps
from streams.maps.mapping import AsItIs, mapping_of
from streams.maps.mapping import Mapping as FieldMapping
from streams.maps.units import text

Scalar = str | int | float | bool


def _worded(table: Any) -> Any:
    """YAML reads `200:` and `yes:` as a number and a truth."""
    if not isinstance(table, Mapping):
        return table
    return {text(key) if isinstance(key, Scalar) else key: value for key, value in table.items()}


class FieldSettings(BaseModel, frozen=True, extra="forbid", populate_by_name=True):
    """The long form of an expression."""

    path: str
    unit: str = ""
    values: Annotated[dict[str, Scalar], BeforeValidator(_worded)] = {}
    """What is there -> what it means; `4xx` stands for 400 to 499."""
    otherwise: Annotated[Scalar | None, Field(alias="else")] = None
    """What stands in for nothing, and for what is not among the values."""


class MapSettings(BaseModel, frozen=True, extra="forbid"):
    """One topic of somebody else's, without our prefix, and what its messages mean."""

    topic: Annotated[str, Field(pattern=r"^[A-Za-z0-9._-]{1,249}$")]
    format: Literal["json", "avro", "protobuf", "otlp_proto", "otlp_json"] = "json"
    record: Literal["request", "engine", "gpu", "change"] = "request"
    fields: dict[str, Scalar | FieldSettings] = {}
    """Field of ours (`at` and `event` for short) -> expression."""
    where: Annotated[
        dict[str, tuple[Annotated[str, BeforeValidator(text)], ...]], BeforeValidator(_worded)
    ] = {}
    """Path -> texts: only documents that have one of them there are meant."""
    cluster: str = "local"
    """Of records whose fields do not name one."""
    late: Literal["count", "now"] = "count"
    """What is too late for its window: counted as late and dropped, or `now`: it counts as of when
    it was appended."""
    lateness_s: Annotated[float, Field(ge=0, le=3600)] = 0.0
    """How much later than others its records may come; final windows of all wait so much longer."""

    @model_validator(mode="after")
    def _can_be_read(self) -> Self:
        if self.format.startswith("otlp") and (
            self.fields or self.where or self.record not in {"request", "engine"}
        ):
            raise ValueError(
                f"{self.format} has fields of its own: leave out fields and where; record must be "
                f"request (of spans) or engine (of metrics), got {self.record}"
            )
        self.mapping()
        return self

    def mapping(self) -> FieldMapping | AsItIs:
        """What the fields say; raises InvalidParameterError that names the field."""
        if self.format.startswith("otlp"):
            return AsItIs()
        fields = {name: _expression(name, given) for name, given in self.fields.items()}
        fields.setdefault("cluster", Expression(otherwise=self.cluster))
        where = {path: (steps("where", path), texts) for path, texts in self.where.items()}
        return mapping_of(self.record, fields, where)


class RegistrySettings(BaseModel, frozen=True, extra="forbid"):
    """The Schema Registry of Avro and Protobuf topics."""

    url: str = ""
    username: str = ""
    password: SecretStr = SecretStr("")
    timeout_s: Annotated[float, Field(gt=0, le=60)] = 5.0


def _expression(name: str, given: Scalar | FieldSettings) -> Expression:
    match given:
        case str():
            return Expression.parse(name, given)
        case FieldSettings():
            return Expression(
                steps=steps(name, given.path),
                path=given.path,
                unit=given.unit,
                values=given.values,
                otherwise=MISSING if given.otherwise is None else given.otherwise,
            )
        case _:
            return Expression(otherwise=given)
