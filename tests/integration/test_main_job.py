"""The main job: titles arrive in 4ALLPORTAL, released copy comes back, and then it is quiet."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

import tenants
from answers import answer
from frontlist.explaining import explain
from frontlist.mapping import default_text
from frontlist.settings import Settings


@pytest.fixture
def installation(tmp_path: Path, database_url, kafka_bootstrap, topic_prefix, pair) -> Settings:
    return tenants.settings(tmp_path, database_url, kafka_bootstrap, topic_prefix, pair)


def product(pair: tenants.Pair, id_: int) -> dict[str, object]:
    [found] = [each for each in pair.records() if tenants.value(each, "consonance_product_id") == id_]
    return found


async def test_released_titles_arrive_once_and_an_unchanged_pass_writes_nothing(installation, pair) -> None:
    async with tenants.prepared(installation), tenants.running(installation) as it:
        await tenants.settled(it)
        before = pair.records()
        assert len({tenants.value(each, "consonance_product_id") for each in before}) == len(before) == 27
        assert all(tenants.value(each, "frontlist_origin") == "frontlist" for each in before)
        pair.dam.forget_calls()
        pair.consonance.forget_calls()
        pair.consonance.send("PATCH", "/sandbox/works/61001", {"title": pair.tenant.works[61001].title})
        await tenants.settled(it)
        assert (pair.dam.writes(), pair.consonance.writes()) == (0, 0)


async def test_a_changed_title_arrives_and_nothing_comes_back(installation, pair) -> None:
    async with tenants.prepared(installation), tenants.running(installation) as it:
        await tenants.settled(it)
        pair.dam.forget_calls()
        pair.consonance.forget_calls()
        pair.consonance.send("PATCH", "/sandbox/works/61001", {"authorship_description": "A new line"})
        await tenants.until(
            lambda: tenants.value(product(pair, 94001), "author_line") == "A new line", what="the new line"
        )
        await tenants.settled(it)
        assert pair.consonance.writes() == 0
        assert pair.dam.writes() == 2  # one array for the products, one for the title's record


async def test_a_title_before_its_release_is_not_sent(installation, pair) -> None:
    async with tenants.prepared(installation), tenants.running(installation) as it:
        await tenants.settled(it)
        sent = {tenants.value(each, "consonance_work_id") for each in pair.records()}
        held = [work.id for work in pair.tenant.works.values() if work.id not in sent]
        assert held
        pair.consonance.send("PATCH", f"/sandbox/works/{held[0]}", {"project_stage": 4})
        await tenants.until(
            lambda: held[0] in {tenants.value(each, "consonance_work_id") for each in pair.records()}, what="release"
        )


async def test_released_copy_reaches_consonance_once_and_comes_back_as_nothing(installation, pair) -> None:
    async with tenants.prepared(installation), tenants.running(installation) as it:
        await tenants.settled(it)
        [record] = [each for each in pair.records("title") if tenants.value(each, "consonance_work_id") == 61001]
        locale = {"locale": "en_GB"}
        text = "<p>A <b>bold</b> new description.</p>"
        edit = {"id": record["id"], "description_long": [{"value": text, "dimensions": locale}]}
        count = len(pair.tenant.works[61001].marketing_texts)
        pair.dam.send("POST", "/sandbox/objects/title", edit)
        await tenants.settled(it)
        assert len(pair.tenant.works[61001].marketing_texts) == count
        release = {"id": record["id"], "copy_state": [{"value": "released", "dimensions": locale}]}
        pair.dam.send("POST", "/sandbox/objects/title", release)
        await tenants.until(lambda: len(pair.tenant.works[61001].marketing_texts) > count, what="the text")
        await tenants.settled(it)
        texts = pair.tenant.works[61001].marketing_texts
        assert len(texts) == count + 1
        assert texts[-1].external_text_markdown == "A **bold** new description."
        assert texts[-1].onix_language_code == "eng"
        pair.dam.forget_calls()
        pair.consonance.forget_calls()
        await tenants.settled(it)
        assert (pair.dam.writes(), pair.consonance.writes()) == (0, 0)


async def test_released_bullets_arrive_as_plain_text_and_explain_says_what_was_left_out(
    tmp_path: Path, database_url, kafka_bootstrap, topic_prefix, pair
) -> None:
    line = "{kind: feature_bullets, "
    text = default_text().replace("quiet: 10m", "quiet: 0s")
    mapping = text.replace(line, f"{line}work_field: inHouseSubjects, max_length: 40, ")
    installation = tenants.settings(tmp_path, database_url, kafka_bootstrap, topic_prefix, pair, mapping)
    async with tenants.prepared(installation), tenants.running(installation) as it:
        await tenants.settled(it)
        work = pair.tenant.works[61001]
        [record] = [each for each in pair.records("title") if tenants.value(each, "consonance_work_id") == 61001]
        bullets = ["<script>alert(1)</script>With <b>maps</b>", "A bullet of more than forty characters is an essay"]
        cells = {"feature_bullets": bullets, "copy_state": "released"}
        edit = {name: [{"value": value, "dimensions": {"locale": "en_GB"}}] for name, value in cells.items()}
        pair.dam.send("POST", "/sandbox/objects/title", {"id": record["id"], **edit})
        await tenants.until(lambda: work.in_house_subjects == ["With maps"], what="the bullets")
        await tenants.settled(it)
        pair.dam.forget_calls()
        pair.consonance.forget_calls()
        pair.consonance.send("PATCH", "/sandbox/works/61001", {"title": work.title})
        await tenants.settled(it)
        assert (pair.dam.writes(), pair.consonance.writes()) == (0, 0)
        found = answer("explain", json.dumps(await explain(it, "61001"), default=str))
    [consumer] = [each for each in found["consumers"] if each["consumer"] == "metadata"]
    assert {"html", "length"} <= {each["kind"] for each in consumer["findings"]}


async def test_observe_which_is_the_default_writes_nothing(installation, pair) -> None:
    async with tenants.prepared(installation, mode=None), tenants.running(installation) as it:
        await tenants.settled(it)
        assert (pair.records(), pair.dam.writes()) == ([], 0)
