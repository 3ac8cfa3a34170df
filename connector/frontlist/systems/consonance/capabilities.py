"""What a tenant's schema lets us do, by introspection."""

from __future__ import annotations

from frontlist.contract import Capabilities
from frontlist.systems.consonance import works
from frontlist.systems.consonance.schema import Schema
from frontlist.systems.consonance.texts import INPUTS

_TYPES = ("Work", "Product", "PhysicalBookProduct", "Contract", "MarketingText", "SupportingResource")
_INPUTS = ("CreateMarketingTextInput", "UpdateWorkInput", "UpdateProductInput", "CreateSupportingResourceInput")
_ENUMS = ("MarketingTextVariant", "ONIXLanguageCode", "ONIXContentAudienceCode")


def of(schema: Schema) -> Capabilities:
    """`fields`: type -> names, "text" -> the field keys of that kind; `values`: enum -> codes without underscore.

    UpdateWorkInput holds the fields that kind `work` can write: none where the mutation is missing.
    """
    offered = schema.inputs("CreateMarketingTextInput")
    fields = {name: frozenset(schema.types[name].fields) for name in _TYPES if name in schema.types}
    fields |= {name: frozenset(schema.inputs(name)) for name in _INPUTS if name in schema.types}
    fields[works.INPUT] = works.writable(schema)
    fields["text"] = frozenset(key for key, name in INPUTS.items() if name in offered)
    values = {name: frozenset(v.removeprefix("_") for v in schema.values(name)) for name in _ENUMS}
    return Capabilities(fields=fields, creatable={"text": creatable(schema)}, values=values)


def creatable(schema: Schema) -> str | None:
    """None, or why no text may be created: what cannot be found again and removed is never written."""
    for name in ("createMarketingText", "deleteMarketingText"):
        if schema.written(name) is None:
            return f"the tenant's GraphQL has no mutation {name}"
    if "internalTextMarkdown" not in schema.inputs("CreateMarketingTextInput"):
        return "CreateMarketingTextInput has no internalTextMarkdown, where our marker would stand"
    text = schema.types.get("MarketingText")
    readable = text.fields.keys() & {"internalTextMarkdown", "internalText"} if text else set()
    if not readable:
        return "MarketingText has no internal text to read, so our marker would not be found again"
    work = schema.field("Work", "marketingTexts")
    return None if work else "Work has no marketingTexts"
