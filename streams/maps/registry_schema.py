"""What a registry has said of a schema."""

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Schema:
    """What a registry says of an id, and of the schemas that this one refers to, by name."""

    text: str
    kind: str = "AVRO"
    references: Mapping[str, "Schema"] = field(default_factory=dict)
