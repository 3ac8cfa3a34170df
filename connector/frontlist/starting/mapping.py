"""The text of `mapping.yaml`: the default one, fitted to what the tenants showed.

What a tenant has no place for stays as a commented line with the reason, so that a person sees what is missing.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ruamel.yaml import YAML

from frontlist.checking.consonance import text_problems
from frontlist.mapping import CANONICAL, MappingError, Problem, against, default_text, load
from frontlist.mapping.canonical import TYPES, Canonical
from frontlist.starting.answers import Answers
from frontlist.starting.tenants import Fourallportal, Shown
from frontlist.systems.fourallportal.modules import Module

FILE = "mapping.yaml"
#: A stage of such a name is proposed for the gate; a person confirms it, as new installations only observe.
RELEASED = re.compile(r"released", re.IGNORECASE)
#: What is left out lets other rules show that they do not fit; each round takes out at least one.
ROUNDS = 50
_FITS = "This one fits the sandbox; make it fit your tenant, then\n# "
_FITTED = (
    "`frontlist init` wrote it from what the tenant\n# showed: lines that it commented out say why. Correct it, then "
)


@dataclass(frozen=True)
class Draft:
    """`left_out`: what was commented out and why; `notes`: what a person has to do."""

    text: str
    left_out: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()


def draft(answers: Answers, shown: Shown) -> Draft:
    """A mapping that loads; where 4ALLPORTAL was seen, it names only what is there (but for our marker fields)."""
    text = _publisher(default_text(), answers)
    text = _stages(text, shown)
    portal = shown.fourallportal
    notes: list[str] = []
    if portal is not None:
        text = text.replace(_FITS, _FITTED)
        text = _modules(text, answers, portal, notes)
        text = _renamed(text, portal)
        text = _further(text, portal)
    lines = text.splitlines()
    left_out = _commented(lines, shown, notes)
    return Draft("\n".join(lines) + "\n", tuple(left_out), tuple(notes))


def _publisher(text: str, answers: Answers) -> str:
    first = next(iter(answers.locales))
    text = _line(text, "zone", answers.zone)
    text = _line(text, "locales", "{" + ", ".join(f"{name}: {code}" for name, code in answers.locales.items()) + "}")
    text = _line(text, "currencies", f"[{', '.join(answers.currencies)}]")
    return text.replace("dimensions: {locale: en_GB}", f"dimensions: {{locale: {first}}}")


def _line(text: str, key: str, value: str) -> str:
    return re.sub(rf"^{key}: .*$", lambda _: f"{key}: {value}", text, count=1, flags=re.MULTILINE)


# --- stages ----------------------------------------------------------------------------------------------------------


def _stages(text: str, shown: Shown) -> str:
    if shown.consonance is None:
        return text
    found = sorted(shown.consonance.stages.items())
    gates = [key for key, _ in found if RELEASED.fullmatch(key[1].strip())]
    lines = ["  # Seen in Consonance; take those in that mean released (new installations only observe)."]
    lines += ["  stages:"] if gates else ["  stages: []"]
    for (id_, name), works in found:
        mark = "" if (id_, name) in gates else "# "
        lines.append(f"    {mark}- {{id: {id_}, name: {json.dumps(name, ensure_ascii=False)}}}  # works seen: {works}")
    return text.replace("  stages:\n    - {id: 4, name: Released}", "\n".join(lines))


# --- modules and fields ----------------------------------------------------------------------------------------------


def _modules(text: str, answers: Answers, portal: Fourallportal, notes: list[str]) -> str:
    product = _chosen(answers.modules.product, "product", portal)
    title = _chosen(answers.modules.title, "title", portal, beside=product)
    if product is None:
        notes.append(f"no module looks like the product's: of {', '.join(portal.modules) or 'none'}; --product-module")
    chosen = {role: name for role, name in (("product", product), ("title", title)) if name is not None}
    connectors = {role: _connector(name, portal) for role, name in chosen.items()}
    notes += [
        f"the module {chosen[role]} has no connector: create frontlist_{role} for it in 4ALLPORTAL"
        for role in chosen
        if connectors[role] is None
    ]
    # One pass: a product's module may be called title.
    text = re.sub(r"(?m)^(    module: )(product|title)$", lambda m: m[1] + chosen.get(m[2], m[2]), text)
    text = re.sub(
        r"(?m)^(    connector: )frontlist_(product|title)$",
        lambda m: m[1] + (connectors.get(m[2]) or f"frontlist_{m[2]}"),
        text,
    )
    return text if title is not None else _without_title(text)


def _chosen(named: str | None, role: str, portal: Fourallportal, beside: str | None = None) -> str | None:
    if named is not None or (role in portal.modules and role != beside):
        return named or role
    near = [name for name in portal.modules if role in name.lower() and name != beside]
    return near[0] if len(near) == 1 else None


def _connector(module: str, portal: Fourallportal) -> str | None:
    """Ours by its name where there are several."""
    found = [name for name, of in portal.connectors.items() if of == module]
    return next((name for name in found if "frontlist" in name.lower()), found[0] if found else None)


def _without_title(text: str) -> str:
    lines = text.splitlines()
    start = lines.index("  title:")
    _comment(lines, start, _end(lines, start), "no module of titles was seen")
    return "\n".join(lines) + "\n"


def _roles(text: str) -> Iterator[tuple[str, str, Mapping[str, int]]]:
    """(role, module, canonical field -> 0-based line)."""
    modules = YAML(typ="rt").load(text)["modules"]
    for role, module in modules.items():
        fields: Any = module["fields"]
        at = {str(name): int(fields.lc.key(name)[0]) for name in fields}
        yield str(role), str(module["module"]), at


def _renamed(text: str, portal: Fourallportal) -> str:
    """Fields that the tenant spells otherwise: by the canonical name, case and separators aside."""
    lines = text.splitlines()
    for _, name, fields in _roles(text):
        module = portal.modules.get(name)
        for canonical, at in fields.items() if module else ():
            key, _, given = lines[at].partition(": ")
            if module is not None and given and not given.startswith("{") and module.field(given) is None:
                near = _alike(canonical, given, module)
                lines[at] = f"{key}: {near}" if near else lines[at]
    return "\n".join(lines) + "\n"


def _alike(canonical: str, given: str, module: Module) -> str | None:
    kinds = {each.name: TYPES[each.kind] for each in CANONICAL}
    fitting = {_plain(one.name): one.name for one in module.fields if one.type in kinds[canonical]}
    return fitting.get(_plain(canonical)) or fitting.get(_plain(given))


def _plain(name: str) -> str:
    return re.sub(r"[^a-z0-9]", "", name.lower())


def _further(text: str, portal: Fourallportal) -> str:
    """Canonical fields that the default does not map, found by name or as commented lines."""
    lines = text.splitlines()
    for role, name, fields in list(_roles(text)):
        if role != "product" or not fields:
            continue
        module, last = portal.modules.get(name), max(fields.values())
        taken = {line.partition(": ")[2] for line in lines}
        rest = [each for each in CANONICAL if each.name not in fields and each.name != "product_records"]
        lines[_end(lines, last) : _end(lines, last)] = [_offer(each, module, taken) for each in rest]
    return "\n".join(lines) + "\n"


def _offer(each: Canonical, module: Module | None, taken: set[str]) -> str:
    near = _alike(each.name, each.name, module) if module else None
    is_free = near is not None and near not in taken and each.level == "product"
    return f"      {each.name}: {near}" if is_free else f"      # {each.name}: ...  # {each.about}"


# --- what does not fit -----------------------------------------------------------------------------------------------


def _commented(lines: list[str], shown: Shown, notes: list[str]) -> list[str]:
    """Comment out rules until the rest fits; answers what went."""
    gone: list[str] = []
    for _ in range(ROUNDS):
        blocks, found = _blocks(lines), _problems("\n".join(lines) + "\n", shown)
        wrong = {blocks[each.line]: each for each in found if each.line in blocks}
        if not wrong:
            notes += dict.fromkeys(f"{each.what}: {each.cure}" for each in found)
            return gone
        for (start, end), problem in sorted(wrong.items()):
            gone.append(f"{lines[start].strip().removeprefix('- ')}  ({problem.what})")
            _comment(lines, start, end, problem.what)
        _keep_sections(lines)
    raise AssertionError("commenting out does not end")


def _problems(text: str, shown: Shown) -> list[Problem]:
    try:
        mapping = load(text, FILE)
    except MappingError as error:
        return list(error.problems)
    found: list[Problem] = []
    if shown.fourallportal is not None:
        fields = {name: module.by_name for name, module in shown.fourallportal.modules.items()}
        found += [each for each in against(mapping, fields, shown.fourallportal.options) if each.severity == "error"]
    if shown.consonance is not None:
        found += text_problems(mapping, shown.consonance.schema)
    return found


def _blocks(lines: Sequence[str]) -> dict[int, tuple[int, int]]:
    """1-based line -> the 0-based range of the rule that it belongs to; only rules can be left out."""
    data = YAML(typ="rt").load("\n".join(lines))
    starts: list[int] = []
    for module in data["modules"].values():
        fields: Any = module["fields"]
        starts += [int(fields.lc.key(name)[0]) for name in fields]
        starts += _items(module.get("prices"))
    starts += _items(data["copy"].get("texts"))
    ranges = [(start, _end(lines, start)) for start in starts]
    return {line + 1: (start, end) for start, end in ranges for line in range(start, end)}


def _items(found: Any) -> list[int]:
    return [int(found.lc.item(i)[0]) for i in range(len(found))] if found else []


def _end(lines: Sequence[str], start: int) -> int:
    """Where the lines below `start` that are indented deeper end."""
    depth, end = _indent(lines[start]), start + 1
    while end < len(lines) and lines[end].strip() and _indent(lines[end]) > depth:
        end += 1
    return end


def _indent(line: str) -> int:
    return len(line) - len(line.lstrip())


def _comment(lines: list[str], start: int, end: int, why: str) -> None:
    depth = _indent(lines[start])
    for i in range(start, end):
        lines[i] = f"{lines[i][:depth]}# {lines[i][depth:]}"
    lines[start] = f"{lines[start]}  # {why}"


def _keep_sections(lines: list[str]) -> None:
    """A module whose fields are all left out still says `fields`."""
    for i, line in enumerate(lines):
        if line == "    fields:":
            below = lines[i + 1 : _end(lines, i)]
            if all(each.lstrip().startswith("#") for each in below):
                lines[i] = "    fields: {}"
