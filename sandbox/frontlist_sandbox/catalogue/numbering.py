"""Ids for works and products of a catalogue: the same for the same record at every start."""

from __future__ import annotations

from collections.abc import Iterable
from hashlib import sha256

from frontlist_sandbox.consonance.model import Tenant

_FIRST, _SPAN = 1_000_000, 9_000_000


def numbers(
    tenant: Tenant, kind: str, keys: Iterable[str], wanted: dict[str, int], taken: Iterable[int]
) -> dict[str, int]:
    """An id for each key: the wanted one where it is free, else drawn from the key, the next free one on a clash."""
    used, given = set(taken), dict[str, int]()
    ordered = sorted(set(keys))
    for key in (k for k in ordered if k in wanted):
        if wanted[key] not in used:
            given[key] = wanted[key]
            used.add(wanted[key])
    for key in (k for k in ordered if k not in given):
        number = _FIRST + int.from_bytes(sha256(f"{kind} {key}".encode()).digest()[:8]) % _SPAN
        while number in used:
            number += 1
        given[key] = number
        used.add(number)
    return {key: tenant.take_id(kind, number) for key, number in given.items()}
