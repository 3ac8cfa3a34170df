"""Reads the `copy` section (flow 6): one rule for each text cell."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, cast

from frontlist.mapping.dimensions import expanded
from frontlist.mapping.model import CHANNEL_KIND, TEXT_KINDS, WORK_KINDS, Cell, CopyRule, Format, Role
from frontlist.mapping.section import Section

ALWAYS = "always"
#: A field of the work that holds what no document of Consonance carries (docs/decisions/0001), so that any kind may be.
FREE = ("inHouseSubjects",)
#: How a field is called that is there for the kind. No public schema has one, so its name says what it is for;
#: everything else of a work is Consonance's own: its titles, stage, identifiers, subjects, audience and dates.
NAMED_FOR = {
    "keywords": (re.compile(r"(\w*K|k)eywords?"), "keywords"),
    "audience_segments": (re.compile(r"(\w*S|s)egments?"), "audienceSegments"),
    "feature_bullets": (re.compile(r"(\w*B|b)ullets?|(\w*B|b)ulletPoints|(\w*S|s)ellingPoints"), "featureBullets"),
}


@dataclass(frozen=True)
class _Release:
    """`field` None = always. `dimensions` None = those of the text."""

    field: str | None
    released: frozenset[str]
    dimensions: tuple[str, ...] | None

    def cell(self, text: Cell) -> Cell | None:
        if self.field is None:
            return None
        kept = text.dimensions
        if self.dimensions is not None:
            kept = tuple(each for each in kept if each[0] in self.dimensions)
        return Cell(self.field, kept)


def texts(section: Section, locales: Mapping[str, str]) -> Iterator[CopyRule]:
    """Every text cell; `release` of the section holds where a text has none of its own."""
    section.raw("quiet")
    general = _release(section)
    for each in section.sections("texts"):
        yield from _text(each, general, locales)
    section.finish()


def _release(section: Section) -> _Release | None:
    raw = section.raw("release")
    if raw == ALWAYS:
        return _Release(None, frozenset(), None)
    inner = section.section("release")
    if inner is None:
        return None
    field = inner.text("field", required="write the field that holds the release state, or `release: always`") or "?"
    released = inner.texts("released")
    if not released:
        inner.problem("released", "`released` is missing", "write the values that mean released, e.g. `[released]`")
    dimensions = tuple(inner.texts("dimensions")) if inner.has("dimensions") else None
    inner.finish()
    return _Release(field, frozenset(released), dimensions)


def _text(section: Section, general: _Release | None, locales: Mapping[str, str]) -> Iterator[CopyRule]:
    kinds = (*TEXT_KINDS, *WORK_KINDS, CHANNEL_KIND)
    kind = section.choice("kind", kinds, "")
    role = cast(Role, section.choice("module", ("product", "title"), "product"))
    field = section.text("field", required="write the module's field that holds the text") or "?"
    release = _release(section) if section.has("release") else general
    if release is None:
        cure = "map a release state: `release: {field: copy_state, released: [released]}`, or write `release: always`"
        section.problem("release", f"the text {kind or field} has no release state", cure)
    details = _details(section, kind, role)
    cells = expanded(section, field, locales)
    language = _language(section, cells, locales)
    section.finish()
    for cell in cells if kind and release else ():
        yield _rule(cell, release, details, locales, language)


@dataclass(frozen=True)
class _Details:
    kind: str
    role: Role
    format: Format
    variant: str | None
    audiences: tuple[str, ...]
    link: Literal["all", "record"]
    max_length: int | None
    from_cell: Cell | None
    until_cell: Cell | None
    work_field: str | None
    line: int


def _details(section: Section, kind: str, role: Role) -> _Details:
    link = section.choice("link", ("all", "record"), "record" if role == "product" else "all")
    if link == "record" and role == "title":
        section.problem("link", "a title's text cannot be linked to the record's product", "write `link: all`")
    dates = [section.text(key) for key in ("from_field", "until_field")]
    from_cell, until_cell = (Cell(name) if name else None for name in dates)
    variant, work_field = _destination(section, kind)
    return _Details(
        kind,
        role,
        cast(Format, section.choice("format", ("html", "markdown", "plain"), "html")),
        variant,
        tuple(section.texts("audiences")),
        cast(Literal["all", "record"], link),
        section.whole("max_length"),
        from_cell,
        until_cell,
        work_field,
        section.line,
    )


def _destination(section: Section, kind: str) -> tuple[str | None, str | None]:
    variant, work_field = section.text("variant"), section.text("work_field")
    if kind in TEXT_KINDS and variant is None:
        section.problem("variant", f"{kind} has no `variant`", "write Consonance's, e.g. `variant: SHORT_DESCRIPTION`")
    if kind == CHANNEL_KIND and (variant or work_field):
        cure = "remove it: Consonance has no channel axis, the text would reach every retailer"
        section.problem("variant" if variant else "work_field", "a channel's text may not have a variant", cure)
    if kind in WORK_KINDS and variant is not None:
        section.problem("variant", f"{kind} is no marketing text", "use `work_field: <field of UpdateWorkInput>`")
    if kind in TEXT_KINDS and work_field is not None:
        section.problem("work_field", f"{kind} is a marketing text", "use `variant`")
    if kind in WORK_KINDS and work_field is not None:
        _refuse_others(section, kind, work_field)
    return variant, work_field


def _refuse_others(section: Section, kind: str, work_field: str) -> None:
    """Flow 6 writes of a work what is named for it, and nothing else: what Consonance owns must never come from us."""
    pattern, example = NAMED_FOR[kind]
    if work_field in FREE or pattern.fullmatch(work_field):
        return
    cure = (
        f"name a field that is there for them, e.g. `work_field: {example}` or `work_field: {FREE[0]}`, or take it "
        "out: then they are reported and not sent"
    )
    what = f"{kind} may not be written into the work's {work_field}: no field of the work that Consonance owns is ours"
    section.problem("work_field", what, cure)


def _language(section: Section, cells: Sequence[Cell], locales: Mapping[str, str]) -> str | None:
    """The locale of a text whose cell has none."""
    locale = section.text("locale")
    if any("locale" in dict(cell.dimensions) for cell in cells):
        if locale is not None:
            section.problem("locale", "`locale` beside a locale dimension", "remove it")
        return None
    if locale is not None and locale not in locales:
        section.problem("locale", f"the locale {locale} has no language", f"add `{locale}: <language>` to `locales`")
    if locale is None and cells:
        section.problem("locale", "the text has no locale", "add the dimension `locale`, or write `locale: en_GB`")
    return locale


def _rule(
    cell: Cell, release: _Release | None, details: _Details, locales: Mapping[str, str], locale: str | None
) -> CopyRule:
    assert release is not None
    dimensions = dict(cell.dimensions)
    locale = dimensions.get("locale", locale)
    return CopyRule(
        kind=details.kind,
        role=details.role,
        cell=cell,
        locale=locale,
        channel=dimensions.get("channel"),
        language=locales.get(locale or ""),
        format=details.format,
        state=release.cell(cell),
        released=release.released,
        variant=details.variant,
        audiences=details.audiences,
        link=details.link,
        max_length=details.max_length,
        from_cell=details.from_cell,
        until_cell=details.until_cell,
        work_field=details.work_field,
        line=details.line,
    )
