from itertools import combinations

from shared.toybox.scenes.vocabulary import BACKGROUNDS, COLORS, MIN_DISTANCE, distance


def test_every_two_colours_and_backgrounds_can_be_told_apart():
    everything = {**COLORS, **BACKGROUNDS}
    for first, second in combinations(everything, 2):
        assert distance(everything[first], everything[second]) >= MIN_DISTANCE, (first, second)
