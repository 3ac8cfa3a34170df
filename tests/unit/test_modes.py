"""Which mode is in force: the most specific decision, and never more than was understood."""

from __future__ import annotations

import pytest

from frontlist.contract import Dossier, Mode, TitleKey
from frontlist.modes import Modes, imprint


@pytest.mark.parametrize(
    ("decided", "mode"),
    [
        ({}, Mode.OBSERVE),
        ({"*/*": "apply"}, Mode.APPLY),
        ({"*/*": "apply", "*/Acme": "off"}, Mode.OFF),
        ({"*/Acme": "off", "1/*": "propose"}, Mode.PROPOSE),
        ({"1/*": "propose", "1/Acme": "apply"}, Mode.APPLY),
        ({"2/Acme": "apply", "1/Other": "apply"}, Mode.OBSERVE),
    ],
)
def test_the_most_specific_decision_holds(decided: dict[str, str], mode: Mode) -> None:
    assert Modes(decided).of(1, "Acme") == mode


@pytest.mark.parametrize("nonsense", ["aply", "", 7, None, True, ["apply"], {"mode": "apply"}])
def test_a_decision_that_is_no_mode_observes_and_leaves_the_others_alone(nonsense: object) -> None:
    modes = Modes({"*/*": "apply", "1/Acme": nonsense})
    assert (modes.of(1, "Acme"), modes.of(1, "Other"), modes.of(6, "Acme")) == (Mode.OBSERVE, Mode.APPLY, Mode.APPLY)


def test_an_imprint_whose_name_holds_a_slash_is_found() -> None:
    assert Modes({"1/This/That": "apply"}).of(1, "This/That") == Mode.APPLY


def test_without_a_known_imprint_only_decisions_for_all_hold() -> None:
    assert imprint(Dossier(TitleKey("work:1"), {})) is None
    assert Modes({"*/Acme": "apply"}).of(1, None) == Mode.OBSERVE
