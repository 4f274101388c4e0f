"""Models to choose from, with what they would take of this machine."""

import pytest

from shared.errors import WeightsError
from ui.models import check_starter, choices, fitting

GB = 1e9


def test_starter_is_here_and_what_is_not_says_how_to_get_it():
    labels = {name: label for label, name in choices(["starter", "hunyuanvideo"])}
    assert labels["starter"].startswith("starter · ") and labels["starter"].endswith("fits")
    assert "hunyuanvideo · " in labels["hunyuanvideo"]


@pytest.mark.parametrize(
    ("size", "main", "gpu", "says"),
    [
        (1 * GB, 8 * GB, None, "fits"),
        (42 * GB, 8 * GB, None, "more than the 8 GB of memory here"),
        (42 * GB, 64 * GB, 24 * GB, "fits with offload model or group"),
        (42 * GB, 64 * GB, 80 * GB, "fits"),
        (42 * GB, 16 * GB, 24 * GB, "more than the 16 GB of memory here"),
    ],
)
def test_what_fits(size, main, gpu, says):
    assert fitting(size, main, gpu) == says


def test_missing_part_of_the_starter_is_one_line():
    check_starter("transformer")
    with pytest.raises(
        WeightsError, match="starter/nothing is missing; kinora train nothing makes it"
    ) as refused:
        check_starter("nothing")
    assert "\n" not in str(refused.value)
