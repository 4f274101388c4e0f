from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.config import (
    Size,
    check,
    from_argv,
    from_mapping,
    near_miss,
    setting,
    settings,
    some_of,
    text_lines,
    to_mapping,
)
from shared.errors import InputError


@dataclass(frozen=True)
class Order:
    name: str = setting("nobody", "who")
    steps: int = setting(20, "how many", minimum=1, maximum=1000)
    scale: Literal["auto"] | float | None = setting(
        None, "how much", minimum=0.5, maximum=9, unset="the model's"
    )
    size: Size | None = setting(None, "pixels")
    quick: bool = setting(False, "hurry")
    place: Path | None = setting(None, "where", local=True)

    def __post_init__(self):
        check(self)


def order(*argv):
    return from_argv(Order, argv, "order", "An order.")


def test_flags_become_typed_values():
    made = order("--steps", "3", "--scale", "auto", "--size", "64x48", "--quick", "--place", "here")
    assert made == Order("nobody", 3, "auto", Size(64, 48), True, Path("here"))


def test_a_union_takes_each_of_its_kinds():
    assert order("--scale", "2.5").scale == 2.5


@pytest.mark.parametrize(
    ("name", "size"),
    [("720p", "1280x720"), ("540P", "960x544"), ("720p-3:4", "832x1104"), ("540p-1:1", "720x720")],
)
def test_released_sizes_have_names(name, size):
    assert str(order("--size", name).size) == size


@pytest.mark.parametrize(
    ("argv", "words"),
    [
        (["--steps", "0"], "steps must be 1 to 1000, not 0"),
        (["--steps", "1e3"], "steps: wanted a whole number, not '1e3'"),
        (["--steps", "9" * 5000], "a whole number"),
        (["--scale", "nan"], "scale: wanted auto or a finite number, not 'nan'"),
        (["--scale", "inf"], "a finite number"),
        (["--scale", "atuo"], "did you mean auto?"),
        (["--size", "64"], "WIDTHxHEIGHT"),
        (["--size", "1080p"], "or 720p or 540p, with a shape (16:9, 9:16, 4:3, 3:4, 1:1) such as 720p-9:16"),
        (["--size", "720p-2:1"], "720p-9:16, not '720p-2:1'"),
        (["--setps", "3"], "unknown flag '--setps' (did you mean --steps?)"),
        (["--step", "3"], "unknown flag '--step'"),
        (["stray"], "unknown word 'stray'"),
        (["--steps"], "expected one argument"),
        (["--name", "a\0b"], "without NUL"),
        (["--name", "\udcff"], "UTF-8"),
    ],
)
def test_what_is_refused_is_named_in_one_line(argv, words):
    with pytest.raises(InputError) as refusal:
        order(*argv)
    assert words in str(refusal.value)
    assert "\n" not in str(refusal.value)
    assert len(str(refusal.value)) < 200


@pytest.mark.parametrize(
    ("mapping", "words"),
    [
        ({"setps": 3}, "did you mean steps?"),
        ({"steps": True}, "a whole number"),
        ({"steps": 2.5}, "a whole number"),
        ({"steps": None}, "a value is wanted"),
        ({"quick": "yes"}, "true or false"),
        ({"name": 3}, "text"),
        ({"scale": [1]}, "a finite number"),
        ({1: 2}, "unknown setting"),
        ([], "a mapping"),
    ],
)
def test_a_mapping_is_held_to_the_same_schema(mapping, words):
    with pytest.raises(InputError, match=words.replace("?", r"\?")):
        from_mapping(Order, mapping)


def test_python_is_held_to_the_same_bounds():
    with pytest.raises(InputError, match="steps must be 1 to 1000"):
        Order(steps=1001)


@dataclass(frozen=True)
class Rush(Order):
    gift: str = setting("", "for whom")


def test_a_requests_own_settings_come_before_those_it_inherits():
    assert list(settings(Rush)) == ["gift", "name", "steps", "scale", "size", "quick", "place"]


def test_what_belongs_to_a_machine_is_not_taken_from_a_stranger():
    said = {"steps": 3, "place": "/etc/passwd"}
    assert from_mapping(Order, said, local=False) == Order(steps=3)
    assert from_mapping(Order, said).place == Path("/etc/passwd")


def test_a_receipt_keeps_no_paths():
    made = Order(place=Path("/home/somebody"), size=Size(32, 16))
    assert to_mapping(made) == {"name": "nobody", "steps": 20, "size": "32x16", "quick": False}
    assert to_mapping(made, local=True)["place"] == "/home/somebody"


@given(
    st.builds(
        Order,
        name=st.text("aZ圆🎈 -=\n", max_size=20),
        steps=st.integers(1, 1000),
        scale=st.none() | st.just("auto") | st.floats(0.5, 9),
        size=st.none() | st.builds(Size, st.integers(0, 9999), st.integers(0, 9999)),
        quick=st.booleans(),
    )
)
def test_every_request_comes_back_from_its_mapping(made):
    assert from_mapping(Order, to_mapping(made, local=True)) == made


def test_help_names_every_setting_with_bounds_and_default(capsys):
    with pytest.raises(SystemExit) as leaving:
        order("--help")
    assert leaving.value.code == 0
    text = capsys.readouterr().out
    for words in ("--name", "how many [1 to 1000; default: 20]", "auto|X", "default: the model's", "--debug"):
        assert words in text


@dataclass(frozen=True)
class Guest:
    name: str
    seats: int = 1

    @classmethod
    def parse(cls, text):
        name, _, seats = text.partition(":")
        if not name or not (seats or "1").isdigit():
            raise ValueError("NAME or NAME:SEATS")
        return cls(name, int(seats or 1))

    def __str__(self):
        return f"{self.name}:{self.seats}"


@dataclass(frozen=True)
class Party:
    guests: tuple[Guest, ...] = setting((), "who comes", metavar="NAME[:SEATS]")

    def __post_init__(self):
        check(self)


def test_a_list_is_a_flag_given_several_times(capsys):
    invited = Party((Guest("ann"), Guest("bob", 2)))
    assert from_argv(Party, ["--guests", "ann", "--guests", "bob:2"], "party", "A party.") == invited
    assert from_argv(Party, [], "party", "A party.") == Party()
    assert to_mapping(invited) == {"guests": ["ann:1", "bob:2"]}
    assert from_mapping(Party, to_mapping(invited)) == invited
    with pytest.raises(SystemExit):
        from_argv(Party, ["--help"], "party", "A party.")
    assert "--guests NAME[:SEATS]" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("value", "words"), [("ann", "a list"), ([""], "NAME or NAME:SEATS"), ([3], "text"), (None, "a value")]
)
def test_a_list_of_what_it_does_not_take_is_refused(value, words):
    with pytest.raises(InputError, match=f"guests: .*{words}"):
        from_mapping(Party, {"guests": value})


def test_the_first_of_many_are_named():
    assert some_of(["a", "b"]) == "'a', 'b'"
    assert some_of("abcde") == "'a', 'b', 'c' and 2 more"


def test_a_suggestion_is_made_only_for_what_is_near():
    assert near_miss("setps", ["steps", "seed"]) == " (did you mean steps?)"
    assert near_miss("zebra", ["steps", "seed"]) == ""


@pytest.mark.parametrize("sign", ["\u2028", "\u2029", "\u0085", "\x0b", "\x0c", "\x1c", "\r"])
def test_only_a_newline_ends_a_line(sign):
    assert text_lines(f"one{sign}line\nand another\r\n") == [f"one{sign}line", "and another"]
    assert text_lines("") == []
    assert text_lines("a\n\nb") == ["a", "", "b"]
