"""The evaluation, on a rewriter that is always right and on one that never changes a word."""

from pathlib import Path

import pytest

from apps.prompt_rewrite import evaluation
from apps.prompt_rewrite.backends import BeyondReach, starter
from apps.prompt_rewrite.data.captions import caption
from foundation.checkpoints import registry

COUNT = 24


class Oracle:
    """Knows what every held-out prompt asks for."""

    name, strict = "oracle", True

    def __init__(self, folder):
        self.asked = {one.text: one.subject for one in evaluation.held_out(COUNT)}

    def propose(self, task, on_text=None):
        if task.prompt not in self.asked:
            raise BeyondReach("never asked")
        text = caption(self.asked[task.prompt], task.mode)
        on_text(text)
        return text

    def close(self):
        pass


class Silent(Oracle):
    def propose(self, task, on_text=None):
        raise BeyondReach("nothing to say")


@pytest.fixture
def scores(request, monkeypatch):
    monkeypatch.setattr(registry, "resolve", Path)
    monkeypatch.setattr(starter, "StarterBackend", request.param)
    return evaluation.evaluate(evaluation.Evaluation(count=COUNT))


@pytest.mark.parametrize("scores", [Oracle], indirect=True)
def test_a_rewriter_that_is_always_right_keeps_everything(scores):
    assert scores.lowest()[0] == 1.0
    assert {"color", "shape", "motion", "count", "background"} <= set(scores.shares["normal"])
    assert set(scores.shares["master, all facts by language"]) == {"en", "zh", "es", "fr", "de", "ja"}
    assert scores.figures["prompts outside the toybox left unchanged"] == 40
    assert scores.figures["whole rewrite (s), slowest"] >= scores.figures["first token (s), median"] >= 0


@pytest.mark.parametrize("scores", [Silent], indirect=True)
def test_prompts_in_other_languages_count_as_lost_when_nothing_is_done(scores):
    assert scores.shares["normal, all facts by language"]["ja"] == 0
    assert scores.shares["normal, all facts by language"]["en"] > 0.5
    assert scores.shares["outside the toybox"] == {"nouns": 1.0, "numbers": 1.0}
