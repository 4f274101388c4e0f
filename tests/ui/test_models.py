"""Models to choose from, with what they would take of this machine."""

import pytest

from foundation.runtime.estimate import RELEASED_MODEL, Clip
from shared.config import Size
from shared.errors import WeightsError
from ui.page.models import check_starter, choices, describe_beyond, fitting

GB = 1e9


def test_starter_is_here_and_what_is_not_says_how_to_get_it():
    labels = {name: label for label, name in choices(["starter", "hunyuanvideo"])}
    assert labels["starter"].startswith("starter · ") and labels["starter"].endswith("fits")
    assert "hunyuanvideo · " in labels["hunyuanvideo"]


@pytest.mark.parametrize(
    ("size", "frames", "main", "gpu", "says"),
    [
        ((1280, 720), 129, 8, None, "needs 111 GB of memory, 8 are here"),
        ((1280, 720), 129, 200, None, "fits"),
        ((1280, 720), 129, 64, 80, "fits"),
        ((1280, 720), 129, 64, 48, "fits with offload model"),
        ((1280, 720), 129, 64, 30, "fits with offload model, quantise float8"),
        ((1280, 720), 129, 64, 24, "fits with offload group"),
        ((960, 544), 61, 64, 24, "fits with offload model, quantise float8"),
        ((960, 544), 61, 64, 16, "fits with offload group"),
        ((1280, 720), 129, 64, 8, "needs more than the GPU's 8 GB at 1280x720 with 129 frames"),
    ],
)
def test_what_a_model_fits_with(size, frames, main, gpu, says):
    """A transformer of 26 GB does not fit a GPU of 24 GB as a whole: it comes by groups or in 8 bits."""
    own = None if gpu is None else gpu * GB
    assert fitting(RELEASED_MODEL, Clip(Size(*size), frames), main * GB, own).startswith(says)


def test_missing_part_of_the_starter_is_one_line():
    check_starter("transformer")
    with pytest.raises(
        WeightsError, match="starter/nothing is missing; kinora train nothing makes it"
    ) as refused:
        check_starter("nothing")
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize("part", ["transformer", "i2v"])
def test_a_form_is_told_the_words_that_its_model_does_not_know(part):
    line = describe_beyond({"prompt": "a cat walks"}, part)
    assert line is not None and line.startswith("starter does not know cat and walks: it draws circles")
    assert describe_beyond({"prompt": "a red circle moves right on a gray background"}, part) is None


@pytest.mark.parametrize(
    "more", [{"rewrite": "normal"}, {"lora": ["a.safetensors"]}, {"model": "nowhere"}, {"prompt": ""}]
)
def test_what_only_the_job_can_tell_is_left_to_it(more):
    assert describe_beyond({"prompt": "a cat walks", **more}, "transformer") is None
