"""The mapping beside what the tenant's modules really have."""

from __future__ import annotations

import dataclasses

import pytest

from frontlist.mapping import against, default_text, load
from frontlist.systems.fourallportal.modules import ModuleField
from frontlist_sandbox.fourallportal import schema

MAPPING = load(default_text())
Fields = dict[str, dict[str, ModuleField]]


def sandbox() -> tuple[Fields, dict[str, list[str]]]:
    shown = schema.load()
    fields = {
        module.name: {each.name: ModuleField.model_validate(each.as_json()) for each in module.fields.values()}
        for module in shown.modules.values()
    }
    return fields, {key: list(values) for key, values in shown.options.items()}


def said(fields: Fields, options: dict[str, list[str]]) -> list[str]:
    return [problem.what for problem in against(MAPPING, fields, options)]


def test_the_default_mapping_fits_the_sandbox() -> None:
    assert said(*sandbox()) == []


def test_a_missing_module_is_named() -> None:
    fields, options = sandbox()
    del fields["title"]
    assert said(fields, options) == ["the tenant has no module 'title'"]


CHANGES = [
    ({"type": "CEInteger"}, "product.isbn has the type CEInteger"),
    ({"name": "isbn_13"}, "the module product has no field 'isbn'"),
]


@pytest.mark.parametrize(("change", "expected"), CHANGES)
def test_a_field_that_cannot_hold_it_is_named(change: dict[str, str], expected: str) -> None:
    fields, options = sandbox()
    field = fields["product"].pop("isbn").model_copy(update=change)
    fields["product"][field.name] = field
    assert said(fields, options) == [expected]


def test_a_missing_dimension_is_named() -> None:
    fields, options = sandbox()
    fields["title"]["description_short"] = fields["title"]["description_short"].model_copy(update={"dimensions": ()})
    assert said(fields, options) == ["title.description_short has no dimension 'locale'"]


def test_a_missing_value_option_is_named() -> None:
    fields, options = sandbox()
    options["marketing_tier"].remove("B")
    assert said(fields, options) == [
        f"{module}.marketing_tier has no value option 'B' (marketing_tier)" for module in ("product", "title")
    ]


def test_money_in_a_floating_field_is_a_warning() -> None:
    fields, options = sandbox()
    fields["product"]["price_gbp"] = fields["product"]["price_gbp"].model_copy(update={"type": "CEDouble"})
    (problem,) = against(MAPPING, fields, options)
    assert (problem.severity, problem.line > 0) == ("warning", True)


def test_a_list_in_a_text_field_needs_a_joint() -> None:
    fields, options = sandbox()
    fields["product"]["series"] = fields["product"]["series"].model_copy(update={"type": "CEText"})
    assert said(fields, options) == ["product.series is CEText and series is a list"]
    joined = [
        dataclasses.replace(rule, join="; ") if rule.canonical == "series" else rule for rule in MAPPING.product.fields
    ]
    product = dataclasses.replace(MAPPING.product, fields=tuple(joined))
    mapping = dataclasses.replace(MAPPING, modules={**MAPPING.modules, "product": product})
    assert against(mapping, fields, options) == []
