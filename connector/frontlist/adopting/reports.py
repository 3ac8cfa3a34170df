"""An adoption report kept by name, and what a person accepts of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from frontlist import runtime
from frontlist.adopting import reading
from frontlist.adopting.comparing import Change, Field, by_field, erasures
from frontlist.contract import Json, TitleKey
from frontlist.errors import ConfigurationError
from frontlist.linking import reports
from frontlist.linking.settling import Decided, settle
from frontlist.progress import Say
from frontlist.state import settled


@dataclass(frozen=True)
class Accepted:
    """`cells`: values that will be cleared."""

    titles: int
    cells: int
    fields: tuple[str, ...]


async def keep(it: runtime.Installation, changes: Sequence[Change], name: str = "") -> str:
    body = {"erases": erasures(changes), "fields": {_name(row): dict(row.counts) for row in by_field(changes)}}
    return await reports.keep(it, "adopt", body, name)


async def accept(
    it: runtime.Installation, name: str, fields: Sequence[str], titles: Sequence[TitleKey], say: Say
) -> Accepted:
    """That the empty values which the report shows may clear these fields of these titles (none named: all of it).

    Refuses where something else would be lost now than was shown.
    """
    report = await reports.kept(it, "adopt", name)
    chosen = _chosen(report["erases"], fields, titles)
    now = erasures(await reading.look(it, say, sorted(chosen)))
    said = [
        f"{title}: {key} of {at} holds something else now"
        for title, of in _chosen(now, fields, [*chosen], strict=False).items()
        for at, keys in of.items()
        for key, print_ in keys.items()
        if report["erases"].get(title, {}).get(at, {}).get(key) != print_
    ]
    if said:
        raise reports.outdated(name, "adopt", said)
    async with it.db.read() as c:
        before = await settled.decisions(c, "adopted", list(chosen))
    decided = [Decided("adopted", title, _body(before.get(title), of, name)) for title, of in chosen.items()]
    await settle(it, decisions=decided, titles=sorted(chosen))
    keys = sorted({key for of in chosen.values() for each in of.values() for key in each})
    return Accepted(len(chosen), sum(len(each) for of in chosen.values() for each in of.values()), tuple(keys))


def _body(before: Any, erased: Mapping[str, Mapping[str, str]], name: str) -> dict[str, Json]:
    """Together with what was adopted earlier."""
    old = before if isinstance(before, dict) else {}
    keys = {key for keys in erased.values() for key in keys} | set(old.get("fields") or ())
    return {**old, "fields": sorted(keys), "report": name}


Erasures = dict[TitleKey, dict[str, dict[str, str]]]


def _chosen(
    erased: Mapping[str, Mapping[str, Mapping[str, str]]],
    fields: Sequence[str],
    titles: Sequence[str],
    *,
    strict: bool = True,
) -> Erasures:
    """What the report would erase of these fields and titles; a name that it does not have is refused."""
    found: Erasures = {}
    for title, of in erased.items():
        if titles and title not in titles:
            continue
        kept = {at: {key: p for key, p in keys.items() if not fields or key in fields} for at, keys in of.items()}
        if any(kept.values()):
            found[TitleKey(title)] = {at: keys for at, keys in kept.items() if keys}
    if strict:
        named = {key for of in found.values() for keys in of.values() for key in keys}
        _refuse("--fields", [each for each in fields if each not in named])
        _refuse("--title", [each for each in titles if each not in found])
        if not found:
            raise ConfigurationError(
                "the report shows nothing that would be cleared",
                where="frontlist adopt accept",
                cure="nothing needs accepting; values that both sides hold follow the mode of the flow",
            )
    return found


def _refuse(option: str, unknown: Sequence[str]) -> None:
    if unknown:
        raise ConfigurationError(
            f"the report would clear nothing of {', '.join(unknown)}", where=option, cure="name what the report lists"
        )


def _name(row: Field) -> str:
    return f"{row.target}/{row.kind}/{row.key}"


def shown(changes: Sequence[Change]) -> list[dict[str, Json]]:
    """A row a field, for `--json` and the table."""
    return [
        {
            "target": row.target,
            "kind": row.kind,
            "field": row.key,
            "counts": dict(row.counts),
            "examples": {
                effect: [{"title": e.title, "resource": str(e.resource), "old": e.old, "new": e.new} for e in several]
                for effect, several in row.examples.items()
                if several
            },
        }
        for row in by_field(changes)
    ]
