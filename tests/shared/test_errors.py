"""What Kinora says of errors that other libraries raise."""

import pytest

from shared.errors import LONGEST_REASON, first_line


@pytest.mark.parametrize(
    ("error", "line"),
    [
        (ValueError("no such key"), "no such key"),
        (OSError("\n  no file there\nhere is how to make one"), "no file there"),
        (KeyError(), "KeyError"),
        (RuntimeError("  \n"), "RuntimeError"),
    ],
)
def test_an_error_is_told_in_one_line_that_says_something(error, line):
    assert first_line(error) == line


def test_a_long_message_is_cut_visibly():
    assert first_line(ValueError("x" * 10_000)) == "x" * LONGEST_REASON + "..."
