"""What a record's CollateralDetail states: texts, and pictures by reference."""

from __future__ import annotations

from datetime import date
from urllib.parse import unquote, urlsplit

from lxml import etree

from frontlist_sandbox.catalogue.drafts import Copy, Draft, Image
from frontlist_sandbox.catalogue.prose import VARIANTS, markdown
from frontlist_sandbox.catalogue.values import day, text, texts, whole

# ONIX list 158 -> SupportingResourceVariant; the spellings are assumptions.
_RESOURCES = {"01": "FRONT_COVER", "02": "BACK_COVER", "04": "CONTRIBUTOR_PICTURE", "15": "SAMPLE_CONTENT"}


def read(draft: Draft, collateral: etree._Element | None, language: str | None) -> None:
    """Texts of every type (without variant where we know none), and those resources that are images."""
    if collateral is None:
        return
    for element in collateral.findall("TextContent"):
        _copies(draft, element, language)
    others = 0
    for element in collateral.findall("SupportingResource"):
        if text(element, "ResourceMode") == "03":
            _images(draft, element)
        else:
            others += 1
    if others:
        draft.note(f"{others} resources left out: Consonance's supporting resources are images")


def _copies(draft: Draft, element: etree._Element, language: str | None) -> None:
    code = text(element, "TextType") or ""
    if code not in VARIANTS:
        draft.note(f"text type {code or 'unstated'} has no variant; the text is kept without one")
    start, end = _window(element)
    for body in element.findall("Text"):
        content = markdown(body)
        if content:
            stated = body.get("language") or language
            audiences = texts(element, "ContentAudience")
            draft.copies.append(Copy(VARIANTS.get(code), content, stated, audiences, start, end))


def _window(element: etree._Element) -> tuple[date | None, date | None]:
    by_role = {text(d, "ContentDateRole"): day(d)[0] for d in element.findall("ContentDate")}
    return by_role.get("14"), by_role.get("15")


def _images(draft: Draft, element: etree._Element) -> None:
    for version in element.findall("ResourceVersion"):
        features = {text(f, "ResourceVersionFeatureType"): text(f, "FeatureValue") for f in _features(version)}
        url = next(iter(texts(version, "ResourceLink")), None)
        if url is None or any(image.url == url for image in draft.images):
            continue
        kind = text(element, "ResourceContentType") or ""
        updated = next((day(d)[0] for d in version.findall("ContentDate") if text(d, "ContentDateRole") == "17"), None)
        draft.images.append(
            Image(
                url,
                _RESOURCES.get(kind),
                _filename(url),
                audience=text(element, "ContentAudience"),
                caption=_caption(element),
                sha256=features.get("08"),
                size=whole(features.get("07")),
                updated=updated,
            )
        )


def _features(version: etree._Element) -> list[etree._Element]:
    return list(version.findall("ResourceVersionFeature"))


def _caption(element: etree._Element) -> str | None:
    """ONIX list 160, code 02: caption."""
    captions = (f for f in element.findall("ResourceFeature") if text(f, "ResourceFeatureType") == "02")
    return next((value for f in captions if (value := text(f, "FeatureNote") or text(f, "FeatureValue"))), None)


def _filename(url: str) -> str:
    try:
        path = urlsplit(url).path
    except ValueError:
        path = url
    return unquote(path).rsplit("/", 1)[-1] or "image.jpg"
