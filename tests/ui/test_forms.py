"""Forms: every setting of every command has a control, and what the controls hold is the request."""

import dataclasses

import pytest

from foundation.checkpoints.defaults import read_defaults
from foundation.models.geometry import check_size
from shared.config import Size, from_mapping, settings, to_mapping
from shared.errors import InputError
from ui.jobs.commands import HOSTED, find_command, job_commands
from ui.page.controls import Choice, Control, Digits, Drop, Lines, Number, Switch
from ui.page.forms import Form, fields
from ui.page.models import STARTER, defaults, placeholders, sizes
from ui.page.tabs import TABS

COMMANDS = job_commands()
OURS = [name for name in COMMANDS if name != "fake"]

SEVERAL = {
    "t2v": {
        "prompt": "a red circle", "negative_prompt": "a hand", "steps": 4, "seed": 2**63 - 1, "size": "64x32",
        "frames": 5, "count": 1, "guidance": 0.5, "cfg": 0.0, "shift": "auto", "format": "mkv", "tiling": False,
        "lora": ["/a/b.safetensors:0.5", "/c.safetensors"], "contact_sheet": True, "rewrite": "master",
        "model": "hunyuanvideo",
    },
    "i2v": {
        "prompt": "it moves", "image": "uploads/a.png", "keyframe": ["8=uploads/b.png", "16=uploads/c.png"],
        "fit": "pad", "frames": 33, "keep_latents": True, "shift": "7.5",
    },
    "v2a": {"prompt": "a bell", "music": False, "seconds": 2.5, "loudness": -20.0, "wav": True},
    "film": {"scenes": "uploads/film.yaml", "shot": ["2"], "sound": "off", "rewrite": "normal", "frames": 9},
    "rewrite": {"prompt": "ein Ball", "mode": "master", "rounds": 0, "timeout": 5.0},
}  # fmt: skip


@pytest.mark.parametrize("command", OURS)
def test_form_has_every_setting_but_those_of_the_servers_host(command):
    named = set(settings(COMMANDS[command].schema()))
    assert set(fields(command)) == named - set(HOSTED)
    assert tuple(Form(command).controls) == fields(command)


@pytest.mark.parametrize("command", OURS)
def test_everyday_settings_exist(command):
    for tab in TABS:
        if tab.command == command:
            shown = [name for row in tab.everyday for name in row]
            assert len(shown) == len(set(shown)) and set(shown) <= set(fields(command))
            assert {tab.each, *tab.takes.values(), *tab.models} - {None} <= set(fields(command))
            assert all(set(example) <= set(fields(command)) for example in tab.examples.values())


@pytest.mark.parametrize("command", OURS)
def test_untouched_form_asks_for_nothing(command):
    form = Form(command)
    assert form.settings(form.values({})) == {}


@pytest.mark.parametrize("command", SEVERAL)
def test_settings_survive_the_form(command):
    form, asked = Form(command), SEVERAL[command]
    held = form.settings(form.values(asked))
    schema, files = COMMANDS[command].schema(), COMMANDS[command].files()
    assert {name: held[name] for name in asked if name in files} == {
        name: value for name, value in asked.items() if name in files
    }
    before, after = (from_mapping(schema, values) for values in (asked, held))
    assert to_mapping(after, local=True) == to_mapping(before, local=True)


def test_browser_holds_numbers_that_it_can_hold_exactly():
    assert type(Form("t2v").controls["steps"]) is Number
    seed = Form("t2v").controls["seed"]
    assert type(seed) is Digits and seed.read(seed.show(2**63 - 1)) == 2**63 - 1
    assert seed.read("seven") == "seven"  # for the schema to refuse, in one line


@pytest.mark.parametrize(
    ("command", "name", "kind"),
    [
        ("t2v", "prompt", Control), ("t2v", "size", Control), ("t2v", "tiling", Switch), ("t2v", "format", Choice),
        ("t2v", "shift", Choice), ("t2v", "lora", Lines), ("t2v", "prompts", Drop), ("i2v", "image", Drop),
        ("i2v", "keyframe", Drop), ("v2a", "loudness", Number), ("rewrite", "batch", Drop),
    ],
)  # fmt: skip
def test_control_follows_from_the_type(command, name, kind):
    assert type(Form(command).controls[name]) is kind


def test_choice_that_may_stay_open_has_an_empty_one():
    values = [value for _, value in Form("t2v").controls["format"].options]
    assert values == ["", "mp4", "mkv", "gif", "png"]
    assert Form("t2v").controls["shift"].open and not Form("t2v").controls["format"].open


def test_twenty_pictures_are_twenty_jobs():
    form = Form("i2v", each="image")
    names = [f"uploads/{number}.png" for number in range(20)]
    jobs = form.jobs(form.values({"prompt": "it moves", "image": names}))
    assert [job["image"] for job in jobs] == names
    assert all(job["prompt"] == "it moves" for job in jobs)


def test_one_picture_is_one_job_and_keyframes_belong_to_one_clip():
    form = Form("i2v", each="image")
    asked = {
        "prompt": "it moves",
        "image": "uploads/a.png",
        "keyframe": ["4=uploads/b.png", "8=uploads/c.png"],
    }
    assert form.jobs(form.values(asked)) == [asked]


def test_form_comes_back_as_the_browser_kept_it():
    form = Form("t2v")
    kept = dict(zip(form.controls, form.values({"prompt": "a star", "steps": 7}), strict=True))
    assert form.settings(form.restored(kept)) == {"prompt": "a star", "steps": 7}


@pytest.mark.parametrize("kept", [None, [], "nonsense", {"of another version": 1}])
def test_nothing_useful_kept_gives_the_defaults(kept):
    form = Form("t2v")
    assert form.restored(kept) == form.values({})


def test_text_of_a_control_is_the_settings_own_help():
    one = Form("t2v").controls["prompts"]
    assert one.help == "A text file with one prompt per line, instead of prompt"
    assert Form("t2v").controls["cfg"].label == "CFG"
    assert all(dataclasses.is_dataclass(control) for control in Form("t2v").controls.values())


def test_forms_have_settings_that_jobs_take():
    assert "out" not in fields("t2v") and "url" not in fields("rewrite")
    assert find_command("t2v").fields().keys() == Form("t2v").controls.keys()


@pytest.mark.parametrize("command", OURS)
def test_no_text_of_a_form_has_a_flag_of_the_command_line(command):
    for one in Form(command).controls.values():
        assert not any(word in f"{one.help} {one.unset}" for word in ("--", "`", "kinora "))


@pytest.mark.parametrize(
    ("command", "line"),
    [
        ("t2v", "Enter a prompt, or choose a file under Prompts"),
        ("v2a", "Choose a file under Video, or enter a prompt"),
        ("rewrite", "Enter a prompt, or choose a file under Batch"),
        ("film", "Enter a prompt, or choose a file under Scenes"),
    ],
)
def test_empty_form_is_refused_in_its_own_words(command, line):
    (needs,) = [tab.needs for tab in TABS if tab.command == command]
    form = Form(command)
    with pytest.raises(InputError) as refused:
        form.check({}, needs)
    assert str(refused.value) == line
    form.check({"prompt": "a star"}, needs)


def test_what_everybody_sets_is_in_sight():
    for tab in TABS:
        if tab.command in ("t2v", "i2v"):
            seen = {name for row in tab.everyday for name in row}
            assert {
                "prompt",
                "negative_prompt",
                "count",
                "size",
                "seconds",
                "frames",
                "steps",
                "seed",
            } <= seen


def test_fields_show_what_the_model_decides():
    said = read_defaults(STARTER)
    form = Form("t2v", {"size": sizes(said)}, unset=placeholders(said))
    assert form.controls["steps"].unset == str(said.steps)
    assert form.controls["frames"].unset == str(said.frames)
    assert float(form.controls["seconds"].unset) == pytest.approx(said.frames / said.fps, rel=1e-3)
    size = form.controls["size"]
    assert isinstance(size, Choice) and size.options == [(f"{said.size}, the model's", "")]


def test_released_weights_offer_their_sizes_by_shape():
    offered = dict(sizes(defaults("hunyuanvideo")))
    assert offered["9:16, 540p · 544x960"] == "544x960" and len(offered) == 11
    for size in filter(None, offered.values()):
        check_size(Size(*map(int, size.split("x"))))


@pytest.mark.parametrize("name", ["no such model", None, 7, ["starter"]])
def test_unknown_model_leaves_the_fields_open(name):
    assert defaults(name) is None
    assert set(placeholders(None).values()) == {"the model's"} and sizes(None) == [("the model's", "")]
