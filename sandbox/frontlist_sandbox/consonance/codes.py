"""ONIX codes as GraphQL answers them: with the label of their list."""

from __future__ import annotations

from typing import Any

from graphql import GraphQLEnumType


def label(kind: GraphQLEnumType, code: str) -> dict[str, Any]:
    """An ONIXCode: the code, what its list calls it, and which list."""
    known = kind.values.get(code) or kind.values.get(f"_{code}")
    description = known.description if known else None
    return {
        "code": code,
        "value": code,
        "description": description,
        "list": kind.description,
        "is_deprecated": False,
        "notes": None,
    }
