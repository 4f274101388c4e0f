"""Recipe settings: every number has bounds, checked before torch is imported; a model that is there is never lost."""

import dataclasses
import json
import subprocess
import sys

import pytest

from apps import commands
from foundation.training.cli import read_settings
from foundation.training.config import Training, VAEConfig, Worlds, starting_point
from foundation.training.export import prepare_export
from shared.config import check_bounds
from shared.errors import ConfigError, InputError

RECIPES = commands.recipes()


def numbers(settings, path=""):
    """Every field that takes a number: dotted name, field, and the value that it has."""
    for field in dataclasses.fields(settings):
        value, name = getattr(settings, field.name), f"{path}{field.name}"
        if dataclasses.is_dataclass(value):
            yield from numbers(value, f"{name}.")
        elif isinstance(value, dict) and field.name == "stages":
            for key, stage in value.items():
                yield from numbers(stage, f"{name}.{key}.")
        elif any(word in str(field.type) for word in ("int", "float")):
            yield name, field, value


@pytest.mark.parametrize("name", RECIPES)
def test_every_number_has_bounds(name):
    for setting, field, _ in numbers(read_settings(name, [], RECIPES)):
        about = field.metadata.get("setting")
        assert about is not None and about.minimum is not None and about.maximum is not None, setting


ODD = ("-1", "nan", "inf", "1e300", "-0.5", "many", "[]", "null", "''", "99999999999999999999")


@pytest.mark.parametrize("value", ODD)
def test_an_odd_number_is_taken_or_refused_in_one_line(value):
    for setting in (
        "training.steps",
        "shift",
        "stages.long.pictures",
        "toybox.worlds.mix",
        "model.mlp_ratio",
    ):
        try:
            read_settings("t2v", [f"{setting}={value}"], RECIPES)
        except ConfigError as error:
            assert "\n" not in str(error), (setting, value)


@pytest.mark.parametrize("name", RECIPES)
def test_numbers_outside_of_their_bounds_are_refused_by_name(name):
    settings = read_settings(name, [], RECIPES)
    for setting, field, value in numbers(settings):
        about = field.metadata["setting"]
        owner = settings
        for part in setting.split(".")[:-1]:
            owner = owner[part] if isinstance(owner, dict) else getattr(owner, part)
        for odd in (about.minimum - 1, about.maximum * 2 + 1, float("nan"), float("inf")):
            setattr(owner, field.name, [odd] if isinstance(value, list) else odd)
            with pytest.raises(InputError, match=setting.replace(".", r"\.")):
                check_bounds(settings)
        setattr(owner, field.name, value)
    check_bounds(settings)


@pytest.mark.parametrize(
    "override",
    [
        "training.steps=0", "training.batch_size=0", "training.log_every=0", "training.workers=-1", "=1", "",
        "training.accumulate=0", "training.seed=-1", "training.precision=fp64", "toybox.variants=0",
        "model.num_attention_heads=0", "stages.long.step=5", "stages.long.frames=0", "stages.long.pictures=nan",
        "training.steps=${oc.env:NOPE}", "stages.long.width=65", "model.rope_axes_dim=[1,2]",
    ],
)  # fmt: skip
def test_a_value_that_no_run_can_have_is_refused(override):
    with pytest.raises(ConfigError, match="recipe t2v cannot take"):
        read_settings("t2v", [override], RECIPES)


def test_a_toybox_without_any_clip_is_refused():
    with pytest.raises(ConfigError, match="worlds"):
        Worlds().counts()


def test_a_misspelt_setting_is_answered_without_torch():
    code = (
        "import sys; sys.argv=['kinora','train','t2v','stages.long.step=5'];"
        "from apps.cli import main; code = main(); print('torch' in sys.modules, code)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=120)
    assert done.stdout.split() == ["False", "2"]
    assert "stages.long.step" in done.stderr and "did you mean steps?" in done.stderr


def test_a_mapping_of_stages_is_checked_too():
    with pytest.raises(InputError, match=r"training\.steps"):
        check_bounds(VAEConfig(training=Training(steps=0)))


# Exports


@pytest.fixture
def config(tmp_path):
    return VAEConfig(training=Training(output=str(tmp_path / "runs" / "vae")))


def model(folder, text="weights"):
    folder.mkdir(parents=True)
    (folder / "model.safetensors").write_text(text)
    return folder


def test_a_model_goes_into_the_folder_of_its_run(config, tmp_path):
    prepare_export(config, "vae")
    assert config.folder == tmp_path / "runs" / "vae" / "model"


@pytest.mark.parametrize("name", RECIPES)
def test_no_recipe_writes_into_the_shipped_weights_unasked(name):
    settings = read_settings(name, [], RECIPES)
    prepare_export(settings, name)
    assert settings.folder.parts[0] == "runs" and settings.folder.parts[-1] == "model"


def test_a_model_that_is_there_is_not_replaced(config, tmp_path):
    config.export = str(tmp_path / "mine")
    model(tmp_path / "mine" / "vae")
    with pytest.raises(ConfigError, match="overwrite=true"):
        prepare_export(config, "vae")
    model(tmp_path / "other" / "transformer")
    config.export = str(tmp_path / "other")
    prepare_export(config, "vae")


def test_overwriting_keeps_the_old_model_beside_the_new_one(config, tmp_path):
    config.export, config.overwrite = str(tmp_path / "mine"), True
    old = model(tmp_path / "mine" / "vae", "old")
    prepare_export(config, "vae")
    prepare_export(config, "vae")  # the same command once more, after a kill
    assert [path.name for path in sorted(old.parent.iterdir())] == ["vae", "vae.before-1"]
    (old / "model.safetensors").write_text("newer")
    prepare_export(config, "vae")
    assert (old.parent / "vae.before-1" / "model.safetensors").read_text() == "old"
    assert (old.parent / "vae.before-2" / "model.safetensors").read_text() == "newer"


def test_a_run_may_write_again_what_it_wrote_itself(config, tmp_path):
    config.export = str(tmp_path / "mine")
    own = model(tmp_path / "mine" / "vae")
    settings = {"recipe": "vae", **dataclasses.asdict(config)}
    (own / "training.json").write_text(json.dumps([settings]))
    with pytest.raises(ConfigError, match="overwrite"):  # the same settings, but not the same run
        prepare_export(config, "vae")
    (tmp_path / "runs" / "vae" / "checkpoints").mkdir(parents=True)
    config.training.steps += 1
    prepare_export(config, "vae")
    config.training.seed += 1
    with pytest.raises(ConfigError, match="overwrite"):
        prepare_export(config, "vae")


def test_clips_of_the_users_fine_tune_the_base_model():
    assert starting_point(None, "starter", "clips") == "starter"
    assert starting_point(None, "starter", None) is None
    assert starting_point("none", "starter", "clips") is None
    assert starting_point("mine", "starter", "clips") == "mine"
