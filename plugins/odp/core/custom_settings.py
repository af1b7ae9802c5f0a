"""What a team says about the custom properties of one export: part ``custom`` of an export's settings."""

from __future__ import annotations

from typing import Any, Literal, TypeAlias

from pydantic import BaseModel, ConfigDict, Field, field_validator

FieldType: TypeAlias = Literal["string", "number", "boolean", "timestamp"]
"""A field's type, by ODP's word for it."""

EVERY_OTHER = "*"
"""In place of a property's name: all that are not named."""

_FILE = r"[A-Za-z_]\w*"
_FUNCTION = rf"{_FILE}\.py:{_FILE}"
_FIELD = r"[a-z][a-z0-9_]*"


class PropertySettings(BaseModel):
    """One property of Commerce's table CustomProperty, whose values are always text there."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    type: FieldType = Field(default="string", description="What its values are in ODP: string, number, boolean or timestamp.")
    field: str = Field(
        default="", pattern=rf"^({_FIELD})?$", description="Its field in ODP; empty: its name in snake_case, after the prefix."
    )


class CustomSettings(BaseModel):
    """The fields of an export that the standard mapping does not have."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    properties: dict[str, PropertySettings | None] = Field(
        default_factory=dict,
        description='Properties of the table CustomProperty: a list of names, or names with their types; "*" for all that are '
        "not named, null for one that is left out.",
    )
    prefix: str = Field(
        default="", pattern=rf"^({_FIELD})?$", description="Put before the fields of properties, such as commerce_."
    )
    preload: str = Field(
        default="",
        pattern=rf"^({_FILE}\.sql|{_FUNCTION})?$",
        description="Mode A: a file in include/sql/custom, such as products.sql, or a function of a file in include/custom, such "
        "as products.py:preload.",
    )
    factory: str = Field(
        default="",
        pattern=rf"^({_FUNCTION})?$",
        description="Mode B: a function of a file in include/custom, such as products.py:make_enricher.",
    )
    factory_calls: Literal["chunk", "row"] = Field(
        default="chunk",
        description="Whether what the factory returns takes a chunk of rows (a polars frame) or one row (a mapping).",
    )
    allow_override: tuple[str, ...] = Field(
        default=(), description="Fields of the mapping that may be replaced; a key never can."
    )
    missing: Literal["omit", "null"] = Field(
        default="omit",
        description="What is sent where an entity has no value: nothing, which leaves what ODP has, or null, which clears it.",
    )

    @field_validator("properties", mode="before")
    @classmethod
    def _names_with_types(cls, value: Any) -> Any:
        if isinstance(value, str):
            value = [value]
        if isinstance(value, (list, tuple)):
            value = dict.fromkeys(value, "string")
        if not isinstance(value, dict):
            return value
        return {str(name).strip(): {"type": given} if isinstance(given, str) else given for name, given in value.items()}

    @field_validator("properties")
    @classmethod
    def _all_others_have_no_field_of_their_own(
        cls, value: dict[str, PropertySettings | None]
    ) -> dict[str, PropertySettings | None]:
        others = value.get(EVERY_OTHER)
        if others and others.field:
            raise ValueError(f'"{EVERY_OTHER}" stands for many properties, which cannot share the field {others.field}')
        if "" in value:
            raise ValueError("a property has a name that is empty")
        return value

    @property
    def are_used(self) -> bool:
        """Whether the export has custom fields at all."""
        return bool(self.properties or self.preload or self.factory)
