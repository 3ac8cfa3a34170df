"""Originals, renditions and the time while they are made."""

import struct
import zlib

import pytest

from frontlist_sandbox.fourallportal import media
from unit.sandbox_fourallportal.tenant import Tenant, cell


def png(width: int, height: int) -> bytes:
    def chunk(kind: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))

    header = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    rows = zlib.compress(bytes((width + 1) * height))
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", rows) + chunk(b"IEND", b"")


@pytest.fixture
def cover(tenant: Tenant) -> str:
    [record_id] = tenant.put("file", {"name": [cell("Umschlag – 1.png")]})
    tenant.upload(record_id, png(2400, 2400), "Umschlag – 1.png")
    return record_id


def test_the_original_comes_to_the_byte_with_name_and_length(tenant: Tenant, cover: str) -> None:
    answer = tenant.media(cover, "Original")
    assert answer.content == png(2400, 2400)
    assert answer.headers["Content-Length"] == str(len(answer.content))
    assert answer.headers["Content-Type"] == "image/png"
    assert answer.headers["Content-Disposition"].startswith('attachment; filename="Umschlag ? 1.png"')


@pytest.mark.parametrize(("usage", "edge"), [("WebAll", 1600), ("small", 160), ("medium", 640), ("large", 1280)])
def test_a_rendition_is_a_jpeg_in_the_originals_proportions(tenant: Tenant, cover: str, usage: str, edge: int) -> None:
    answer = tenant.media(cover, usage)
    assert answer.content.startswith(b"\xff\xd8\xff")
    assert media.dimensions(answer.content) == (edge, edge)
    assert '.jpg"' in answer.headers["Content-Disposition"]


def test_renditions_of_anything_else_have_the_shape_of_a_book(tenant: Tenant, cover: str) -> None:
    tenant.upload(cover, b"%PDF-1.7 ...", "book.pdf", "application/pdf")
    assert media.dimensions(tenant.media(cover, "small").content) == (107, 160)


def test_new_content_changes_mod_time_img_and_renditions_but_not_mod_time(tenant: Tenant, cover: str) -> None:
    before, small = tenant.get("file", cover), tenant.media(cover, "small").content
    tenant.upload(cover, png(2400, 2401))
    after = tenant.get("file", cover)
    assert after["mod_time_img"][0]["value"] > before["mod_time_img"][0]["value"]
    assert after["mod_time"] == before["mod_time"]
    assert tenant.media(cover, "small").content != small


def test_new_content_is_an_event_of_the_derivate(tenant: Tenant, cover: str) -> None:
    last = tenant.events(1, "frontlist_file")[-1]
    assert (last["object_id"], last["object_type"], last["event_type"]) == (cover, 1, 1)


@pytest.mark.parametrize(("usage", "known"), [("original", True), ("Poster", True), ("Original", False)])
def test_media_that_is_not_there_is_404(tenant: Tenant, cover: str, usage: str, known: bool) -> None:
    assert tenant.media(cover if known else "nobody", usage).status_code == 404


def test_an_object_without_content_has_no_media(tenant: Tenant) -> None:
    [record_id] = tenant.put("file", {})
    assert tenant.media(record_id, "Original").status_code == 404


@pytest.mark.parametrize(("switch", "status"), [("missing", 404), ("accepted", 202), ("empty", 200)])
def test_a_rendition_in_the_making_answers_as_the_toggle_says(
    tenant: Tenant, cover: str, switch: str, status: int
) -> None:
    tenant.toggle(rendering=switch)
    answer = tenant.media(cover, "WebAll")
    assert (answer.status_code, b"\xff\xd8" in answer.content) == (status, False)
    assert tenant.media(cover, "Original").status_code == 200


def test_rendering_ends_after_its_seconds(tenant: Tenant, cover: str) -> None:
    tenant.toggle(rendering="accepted", rendering_seconds=3600)
    assert tenant.media(cover, "WebAll").status_code == 202
    tenant.sandbox.post("/clock", json={"advance_seconds": 3600})
    assert tenant.media(cover, "WebAll").status_code == 200


def test_any_modules_object_may_have_an_image(tenant: Tenant) -> None:
    [record_id] = tenant.put("product", {})
    tenant.sandbox.put(
        f"/objects/product/{record_id}/media", content=png(10, 10), headers={"Content-Type": "image/png"}
    )
    assert tenant.media(record_id, "small", "product").status_code == 200
