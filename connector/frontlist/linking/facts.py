"""The canonical fields by which a product or a title can be recognised, as texts; "" where nothing is stated."""

from __future__ import annotations

from collections.abc import Mapping

from frontlist.contract import Json

Body = Mapping[str, Json]


def work_facts(metadata: Body) -> dict[str, str]:
    """What a work states of itself."""
    return {
        "work_title": _text(metadata, "title"),
        "work_subtitle": _text(metadata, "subtitle"),
        "authorship": _text(metadata, "authorship"),
        "imprint": _name(metadata, "imprint"),
        "work_type": _name(metadata, "work_type"),
        "season": _name(metadata, "season"),
    }


def product_facts(metadata: Body, own: Body, formats: Body, milestones: Body) -> dict[str, str]:
    """What a product states; `own`, `formats` and `milestones` are its entries in the three documents."""
    rest = " ".join(filter(None, (_text(own, "title_prefix"), _text(own, "title_without_prefix"))))
    work = work_facts(metadata)
    return {
        **work,
        "title": _text(own, "full_title") or rest or work["work_title"],
        "subtitle": _text(own, "subtitle") or work["work_subtitle"],
        "authorship": _text(own, "authorship") or work["authorship"],
        "asin": _text(own, "asin"),
        "isbn": _text(formats, "isbn13"),
        "product_form": _text(formats, "product_form"),
        "product_kind": _text(formats, "kind"),
        "in_house_format": _name(formats, "in_house_format"),
        "in_house_edition": _name(formats, "in_house_edition"),
        "publication_date": _text(milestones, "publication_date"),
    }


def _text(body: Body, key: str) -> str:
    value = body.get(key)
    return value.strip() if isinstance(value, str) else ""


def _name(body: Body, key: str) -> str:
    value = body.get(key)
    return _text(value, "name") if isinstance(value, Mapping) else ""
