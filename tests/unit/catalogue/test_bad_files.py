"""Files that are no ONIX, or only partly: reported, never raised."""

from __future__ import annotations

from collections.abc import Callable
from copy import deepcopy
from datetime import date
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from lxml import etree

from frontlist_sandbox.catalogue.loading import load
from frontlist_sandbox.consonance.model import Tenant

Written = Callable[[bytes], Tenant]

LAUGHS = "".join(f'<!ENTITY l{i} "{f"&l{i - 1};" * 10}">' for i in range(1, 12))
BILLION_LAUGHS = f"""<!DOCTYPE ONIXMessage [<!ENTITY l0 "ha">{LAUGHS}]>
<ONIXMessage release="3.0"><Product><RecordReference>laughs</RecordReference><DescriptiveDetail><TitleDetail>
<TitleElement><TitleText>Ha &l11;</TitleText></TitleElement></TitleDetail></DescriptiveDetail></Product></ONIXMessage>
""".encode()


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "not well-formed XML"),
        (b"Dear colleague, the file follows tomorrow.", "not well-formed XML"),
        (b"<rss><channel/></rss>", "no ONIX product in it (root element: rss)"),
        (b"<ONIXMessage release='3.0'/>", "no ONIX product in it"),
        (b"<ONIXMessage release='2.1'><Product/></ONIXMessage>", "ONIX 2.1 is not read"),
        (b"<Product xmlns='http:/}/onix'><x:RecordReference/></Product>", "not well-formed XML"),
        (b"<?xml version='1.0' encoding='klingon'?><Product/>", "not well-formed XML"),
        (b"\x00\xff\xfe\x00garbage", "not well-formed XML"),
    ],
)
def test_a_file_that_is_no_onix_is_reported_with_its_name(written: Written, content: bytes, reason: str) -> None:
    tenant = written(content)
    assert {rejected.file for rejected in tenant.rejected} == {"written.xml"}
    assert any(reason in rejected.reason for rejected in tenant.rejected)
    assert tenant.products == {}


def test_a_path_that_leads_nowhere_is_reported(tmp_path: Path) -> None:
    tenant = load([tmp_path / "nowhere.xml", tmp_path], today=date(2026, 3, 1))
    assert all("cannot be opened" in rejected.reason for rejected in tenant.rejected)
    assert len(tenant.rejected) == 2


def test_what_stands_before_a_break_is_kept(ours: Path, written: Written) -> None:
    content = (ours / "reference_namespace.xml").read_bytes()
    tenant = written(content[: content.rindex(b"<DescriptiveDetail>")])
    assert [product.record_reference for product in tenant.products.values()] == ["lantern.1"]
    assert "what came before it is kept" in tenant.rejected[0].reason


def test_entities_of_a_file_are_never_expanded(written: Written) -> None:
    tenant = written(BILLION_LAUGHS)
    assert [product.full_title for product in tenant.products.values()] in ([], ["Ha"])
    assert tenant.rejected or any("entities" in noted.reason for noted in tenant.noted)


def test_nothing_outside_the_file_is_read(tmp_path: Path, ours: Path, written: Written) -> None:
    (tmp_path / "secret").write_text("the secret")
    text = (ours / "bare_product.xml").read_text().replace("By Itself", "By &leak;")
    tenant = written(f'<!DOCTYPE Product [<!ENTITY leak SYSTEM "{tmp_path}/secret">]>{text}'.encode())
    assert "secret" not in repr(tenant.products)


def test_a_record_that_defeats_the_reader_costs_only_itself(ours: Path, written: Written) -> None:
    deep = "<b>" * 20_000
    text = (ours / "reference_namespace.xml").read_text().replace("<p>It burns", f"{deep}<p>It burns")
    assert len(written(text.encode()).products) == 2


VALID = (Path(__file__).parents[2] / "data" / "onix" / "reference_namespace.xml").read_bytes()
GARBAGE = st.one_of(
    st.sampled_from(
        ["", " ", "-1", "99999999999999999999", "NaN", "WORLD ROW XX", "20269999", "<b>", "٣", "&amp;amp;"]
    ),
    st.text(
        st.characters(codec="utf-8", exclude_categories=["Cc", "Cs"], exclude_characters="\ufffe\uffff"), max_size=30
    ),
)
CHANGE = st.tuples(st.sampled_from(["drop", "twice", "text", "rename", "empty"]), st.integers(0, 10_000), GARBAGE)


def mutated(changes: list[tuple[str, int, str]]) -> bytes:
    root = etree.fromstring(VALID)
    for how, where, garbage in changes:
        elements = [element for element in root.iter("{*}*") if element is not root]
        if elements:
            change(elements[where % len(elements)], how, garbage)
    return etree.tostring(root)


def change(element: etree._Element, how: str, garbage: str) -> None:
    parent = element.getparent()
    assert parent is not None
    if how == "drop":
        parent.remove(element)
    elif how == "twice":
        parent.append(deepcopy(element))
    elif how == "text":
        element.text = garbage
    elif how == "rename":
        element.tag = parent.tag
    else:
        element.clear()


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(changes=st.lists(CHANGE, min_size=1, max_size=8), cut=st.one_of(st.none(), st.integers(0, 20_000)))
def test_no_mutation_of_a_record_makes_loading_raise(
    written: Written, changes: list[tuple[str, int, str]], cut: int | None
) -> None:
    tenant = written(mutated(changes)[:cut])
    assert not [rejected for rejected in tenant.rejected if "our bug" in rejected.reason]
    for product in tenant.products.values():
        assert product.work_id in tenant.works
        assert product.full_title
