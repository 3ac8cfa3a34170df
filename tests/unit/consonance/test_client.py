import pytest

from frontlist.systems.consonance.client import Answer, Problem, decimal_text, parse


@pytest.mark.parametrize(
    ("number", "text"),
    [
        ("12.99", "12.99"),
        ("12.50", "12.5"),
        ("10.0", "10"),
        (10, "10"),
        ("1e3", "1000"),
        ("12.990000000000000213", "12.99"),
        ("0.1", "0.1"),
        ("-3.0", "-3"),
        ("1e-7", "0.0000001"),
        (100, "100"),
    ],
)
def test_amounts_are_plain_decimals_without_float_noise(number: str | int, text: str) -> None:
    assert decimal_text(number) == text


def test_no_float_survives_parsing() -> None:
    assert parse('{"amount": 12.50, "ids": [1, 2], "odd": NaN}') == {"amount": "12.5", "ids": [1, 2], "odd": "NaN"}


def test_a_problem_belongs_to_the_object_that_it_struck_or_blanked() -> None:
    answer = Answer(
        {"works": []},
        (Problem("a", ("works", 0, "season")), Problem("b", ("works", 1)), Problem("c", ("works", 10, "title"))),
    )
    assert answer.under("works", 0) == {"season": "a"}
    assert answer.under("works", 1, "season") == {"": "b"}
    assert answer.under("works", 2) == {}
