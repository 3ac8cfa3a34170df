"""Builds the executable schema from the two SDL files, with or without what is only assumed."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import replace
from functools import cache
from importlib.resources import files
from typing import Any

from ariadne import ScalarType, make_executable_schema
from graphql import (
    REMOVE,
    DirectiveNode,
    DocumentNode,
    EnumTypeDefinitionNode,
    FieldDefinitionNode,
    GraphQLEnumType,
    GraphQLField,
    GraphQLInterfaceType,
    GraphQLList,
    GraphQLNonNull,
    GraphQLObjectType,
    GraphQLOutputType,
    GraphQLResolveInfo,
    GraphQLSchema,
    InterfaceTypeDefinitionNode,
    ObjectTypeDefinitionNode,
    StringValueNode,
    Visitor,
    get_named_type,
    parse,
    print_ast,
    visit,
)

from frontlist_sandbox.consonance import codes, resolvers

Info = GraphQLResolveInfo[Any]
Resolver = Callable[..., Any]
DATES = [
    ScalarType(name, serializer=resolvers.as_iso, value_parser=resolvers.as_date)
    for name in ("ISO8601Date", "ISO8601DateTime")
]


def text(name: str) -> str:
    """One of the SDL files as it is shipped."""
    return files("frontlist_sandbox.consonance").joinpath(name).read_text(encoding="utf-8")


@cache
def _document() -> DocumentNode:
    return parse(text("schema.graphql") + text("codes.graphql"))


@cache
def build(refuted: frozenset[str] = frozenset()) -> GraphQLSchema:
    """The schema without the names marked by the refuted assumptions; what only those reach goes with them."""
    document = visit(_document(), _Unmark(refuted))
    document = _without_dangling(_with_interface_fields(document))
    schema = make_executable_schema(print_ast(document), *DATES)
    for kind in schema.type_map.values():
        if kind.name.startswith("__"):
            continue
        if isinstance(kind, GraphQLEnumType):
            _speak_codes(kind)
        elif isinstance(kind, GraphQLInterfaceType):
            kind.resolve_type = resolvers.typename
        elif isinstance(kind, GraphQLObjectType):
            _bind(kind)
    return schema


class _Unmark(Visitor):
    """Removes the marks, and the definitions whose mark is refuted."""

    def __init__(self, refuted: Collection[str]) -> None:
        super().__init__()
        self.refuted = refuted

    def enter(self, node: Any, *_: Any) -> Any:
        if isinstance(node, DirectiveNode) and node.name.value == "assumed":
            return REMOVE
        marked = {
            argument.value.value
            for directive in getattr(node, "directives", None) or ()
            for argument in directive.arguments or ()
            if directive.name.value == "assumed" and isinstance(argument.value, StringValueNode)
        }
        return REMOVE if marked & set(self.refuted) else None


def _with_interface_fields(document: DocumentNode) -> DocumentNode:
    """Gives each type the fields of its interfaces, so that the file states them once."""
    interfaces = {
        d.name.value: d.fields or () for d in document.definitions if isinstance(d, InterfaceTypeDefinitionNode)
    }
    return replace(document, definitions=tuple(_inheriting(d, interfaces) for d in document.definitions))


def _inheriting(definition: Any, interfaces: Mapping[str, Iterable[FieldDefinitionNode]]) -> Any:
    if not isinstance(definition, ObjectTypeDefinitionNode):
        return definition
    inherited = [f for i in definition.interfaces or () for f in interfaces.get(i.name.value, ())]
    return replace(definition, fields=(*inherited, *(definition.fields or ())))


def _without_dangling(document: DocumentNode) -> DocumentNode:
    """Drops members whose type was refuted, enums and types that a refutation left empty, until nothing dangles."""
    while True:
        known = {d.name.value for d in document.definitions if hasattr(d, "name")} | _BUILT_IN
        before = print_ast(document)
        document = visit(document, _Dangling(known))
        if print_ast(document) == before:
            return document


_BUILT_IN = {"Int", "Float", "String", "Boolean", "ID"}


class _Dangling(Visitor):
    def __init__(self, known: Collection[str]) -> None:
        super().__init__()
        self.known = known

    def leave(self, node: Any, *_: Any) -> Any:
        members = getattr(node, "values" if isinstance(node, EnumTypeDefinitionNode) else "fields", None)
        if node.kind.endswith("type_definition") and node.kind != "scalar_type_definition" and not members:
            return REMOVE
        if node.kind in {"field_definition", "input_value_definition"}:
            kind = node.type
            while hasattr(kind, "type"):
                kind = kind.type
            return None if kind.name.value in self.known else REMOVE
        if isinstance(node, ObjectTypeDefinitionNode):
            return replace(node, interfaces=tuple(i for i in node.interfaces or () if i.name.value in self.known))
        return None


def _speak_codes(kind: GraphQLEnumType) -> None:
    """Lets resolvers and arguments hold plain codes; a code outside the list goes out as it is (dirty data)."""
    for name, value in kind.values.items():
        value.value = name.removeprefix("_")
    kind.coerce_output_value = _enum_name  # type: ignore[method-assign]  # no argument of the type takes it


def _enum_name(output_value: Any) -> str:
    code = str(output_value)
    return f"_{code}" if code[:1].isdigit() else code


def _bind(kind: GraphQLObjectType) -> None:
    families = (kind.name, *(i.name for i in kind.interfaces))
    for name, field in kind.fields.items():
        own = next((r for f in families if (r := resolvers.RESOLVERS.get(f"{f}.{name}"))), None)
        field.resolve = own or _twin(kind.fields, name, field) or _attribute(families, name, field)


def _attribute(families: tuple[str, ...], name: str, field: GraphQLField) -> Resolver:
    """Reads the model's attribute of the same name; what the model does not keep is null, or an empty list."""
    renamed = next((a for f in families if (a := resolvers.RENAMED.get(f"{f}.{name}"))), None)
    attribute = renamed or snake(name)
    empty = _empty(field.type)

    def resolve(source: Any, info: Info, **_: Any) -> Any:
        found = source.get(attribute) if isinstance(source, Mapping) else getattr(source, attribute, None)
        return empty if found is None else found

    return resolve


def _twin(fields: Mapping[str, GraphQLField], name: str, field: GraphQLField) -> Resolver | None:
    """`onixX` beside `onixXCode(s)`: the code with its label, taken from the enum's own descriptions."""
    if get_named_type(field.type).name != "ONIXCode":
        return None
    for sibling in (f"{name}Code", f"{name}Codes", f"{name[:-1]}Codes"):
        if sibling in fields and isinstance(kind := get_named_type(fields[sibling].type), GraphQLEnumType):
            return _labelled(fields[sibling], kind)
    return None


def _labelled(sibling: GraphQLField, kind: GraphQLEnumType) -> Resolver:
    def resolve(source: Any, info: Info, **_: Any) -> Any:
        # The sibling is bound by the time a query runs, whatever the order of fields.
        found = sibling.resolve(source, info) if sibling.resolve else None
        if isinstance(found, list):
            return [codes.label(kind, code) for code in found]
        return None if found is None else codes.label(kind, found)

    return resolve


def _empty(kind: GraphQLOutputType) -> Any:
    inner = kind.of_type if isinstance(kind, GraphQLNonNull) else kind
    return [] if isinstance(inner, GraphQLList) else None


def snake(name: str) -> str:
    """`isbn13Eq` -> `isbn13_eq`."""
    return re.sub(r"(?<!^)(?=[A-Z])", "_", name).lower()
