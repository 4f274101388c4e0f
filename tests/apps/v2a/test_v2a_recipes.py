"""The recipes of video-to-audio end to end, at a width that proves the way and not the quality."""

import json
import shutil

import numpy as np
import pytest
import torch

from apps.v2a.conditioning.captions import asked_for, not_asked_for
from apps.v2a.data import SoundSamples
from apps.v2a.evaluation import Evaluation, evaluate
from apps.v2a.model.consistency import ConsistencyLearner, ConsistencyModel, ConsistencyObjective
from apps.v2a.model.text_encoder import build_t5, t5_tokenizer
from apps.v2a.model.transformer import AudioTransformer
from apps.v2a.pipeline import VideoToAudioPipeline
from apps.v2a.toybox import caption
from apps.v2a.training import av_clip, av_consistency, v2a, v2a_lora
from apps.v2a.training.config import (
    ConsistencySize,
    DropOut,
    SamplingDefaults,
    SoundModel,
    T5Size,
    ToySounds,
    ToyStills,
)
from foundation.checkpoints.lora.source import Lora
from foundation.models.text.starter import train_tokenizer
from foundation.training.config import Training
from shared.media.sound import Sound
from shared.media.video import encode
from shared.results.soundtrack import Soundtrack
from shared.toybox.sounds.sound import toy_sound

PROMPT = "a wooden ball bounces"


def training(folder, steps=2, **changes):
    return Training(output=str(folder), steps=steps, batch_size=2, precision="no", warmup=1, **changes)


def shard(clips=6, variants=2):
    generator = torch.Generator().manual_seed(0)
    lengths = torch.arange(3, 3 + clips * variants).view(clips, variants)
    return {
        "latents": torch.randn(clips, 2, 8, 4, generator=generator).bfloat16(),
        "visual.clip": torch.randn(clips, 8, 10, generator=generator).bfloat16(),
        "tokens": torch.randn(int(lengths.sum()), 12, generator=generator).bfloat16(),
        "lengths": lengths,
    }


def generators(seed, count):
    return [np.random.default_rng([seed, number]) for number in range(count)]


def test_each_condition_is_dropped_in_a_tenth_of_the_samples_and_by_itself():
    samples = SoundSamples([shard()], DropOut(), shift=1.0)
    rows = [samples.batch([0, 1, 2, 3, 4, 5] * 10, generators(seed, 60)) for seed in range(50)]
    video = torch.cat([row["has_video"] for row in rows])
    text = torch.cat([row["has_text"] for row in rows])
    assert (~video).float().mean() == pytest.approx(0.1, abs=0.02)
    assert (~text).float().mean() == pytest.approx(0.1, abs=0.02)
    assert (~video & ~text).float().mean() == pytest.approx(0.01, abs=0.008)
    for row in rows:
        assert (row["mask"].sum(1)[~row["has_text"]] == 1).all()


def test_a_sample_is_made_from_its_own_random_numbers_alone():
    samples = SoundSamples([shard()], DropOut(), shift=1.0)
    alone = samples.batch([3], generators(7, 1))
    among = samples.batch([3, 5, 1], generators(7, 3))
    for name in ("latents", "noise", "sigma", "visual.clip", "has_text"):
        assert torch.equal(alone[name][0], among[name][0])


def test_captions_leave_the_material_to_the_picture_as_often_as_not_and_say_what_is_missing():
    toys = [toy_sound(seed, seconds=0.5) for seed in range(30)]
    texts = [caption(toy.facts, toy.seed, variant) for toy in toys for variant in range(1, 5)]
    assert any("music: none" in text for text in texts)
    assert any("speech: none" in text for text in texts)
    assert any(text.startswith("sound: ") for text in texts)
    quiet = [text for toy in toys for text in [caption(toy.facts, toy.seed, 3)] if toy.music is None]
    assert not any("music: a" in text for text in quiet)


def test_a_users_words_become_a_caption_with_named_parts():
    assert asked_for("rain") == "rain"
    assert asked_for("rain", music=False) == "sound: rain; music: none"
    assert asked_for("", music=False, voice=False) == "music: none; speech: none"
    assert not_asked_for("wind", music=False, voice=False) == "wind, music, speech"
    assert not_asked_for("") == ""


def test_the_contrast_prefers_a_sound_to_others_and_to_itself_at_another_time():
    torch.manual_seed(0)
    model = ConsistencyModel(side=8, channels=(4,), width=8, layers=1, mel_bands=6, joint=8)
    tokenizer = t5_tokenizer(train_tokenizer([PROMPT] * 20, 300))
    learner = ConsistencyLearner(model, build_t5(T5Size(8, 1, 2, 8), tokenizer), mel_groups=3)
    objective = ConsistencyObjective(learner, 2, 1.0, 1.0)
    seen = torch.nn.functional.normalize(torch.randn(4, 20, 8), dim=-1)
    shifts = torch.tensor([[5, 9]] * 4)
    loss, right = objective._contrast(seen, seen, shifts)
    other, wrong = objective._contrast(seen, seen.roll(5, dims=1), shifts)
    assert loss < other
    assert right == 1
    assert wrong < 1
    batch = {
        "frames": torch.randint(0, 256, (2, 20, 8, 8, 3), dtype=torch.uint8),
        "log_mel": torch.randn(2, 50, 6),
        "shifts": shifts[:2],
        "ids": torch.randint(0, len(tokenizer), (2, 5)),
        "mask": torch.ones(2, 5, dtype=torch.long),
    }
    loss, values = objective(batch)
    loss.backward()
    assert torch.isfinite(loss)
    assert {"contrast", "right", "envelope", "words"} == set(values)
    assert model(batch["frames"], batch["log_mel"]).abs().max() <= 1 + 1e-5


@pytest.mark.slow
def test_encoders_transformer_and_adapter_are_trained_one_after_the_other(
    starter_folder, sound_folder, tmp_path
):
    folder = tmp_path / "v2a"
    for part in ("mel_vae", "vocoder"):
        shutil.copytree(sound_folder / "v2a" / part, folder / part)
    toys = ToySounds(clips=3, variants=2)
    size = ConsistencySize(side=8, channels=[4], width=8, layers=1, joint=8)
    made = av_consistency.run(
        av_consistency.Config(
            base=str(starter_folder),
            codec=str(folder),
            export=str(folder),
            cache=str(tmp_path / "cache"),
            toybox=toys,
            model=size,
            text=T5Size(8, 1, 2, 8),
            training=training(tmp_path / "pairs"),
        )
    )
    assert {path.name for path in made.iterdir()} >= {"sync_encoder", "text_encoder", "consistency"}
    seeing = av_clip.Config(
        base=str(starter_folder),
        codec=str(folder),
        export=str(folder),
        cache=str(tmp_path / "cache"),
        toybox=ToyStills(clips=3),
        training=training(tmp_path / "stills"),
    )
    assert (av_clip.run(seeing) / "image_encoder" / "training.json").is_file()

    tiny = SoundModel(num_attention_heads=2, attention_head_dim=8, num_layers=1, num_single_layers=1)
    common = {"base": str(folder), "cache": str(tmp_path / "cache"), "toybox": toys}
    config = v2a.Config(
        **common,
        export=str(folder),
        model=tiny,
        sampling=SamplingDefaults(steps=2),
        watched=2,
        training=training(tmp_path / "run", watch_every=2),
    )
    assert v2a.run(config) == folder
    assert (tmp_path / "run" / "samples-00000002.wav").is_file()
    assert "events heard" in (tmp_path / "run" / "scores.csv").read_text()
    (first,) = json.loads((folder / "transformer" / "training.json").read_text())
    assert first["recipe"] == "v2a"
    pipe = VideoToAudioPipeline.from_pretrained(str(folder), device="cpu")
    plain = pipe(None, PROMPT, seconds=1.0).sound.waveform

    clips = tmp_path / "clips"
    clips.mkdir()
    toy = toy_sound(1, seconds=9.0)
    encode(toy.render(8.0, 32), 8.0, tmp_path / "silent.mp4")
    Soundtrack(Sound(toy.waveform[None], 16_000), tmp_path / "silent.mp4").save(clips / "clip.mp4")
    (clips / "clip.txt").write_text(PROMPT)
    adapter = v2a_lora.run(
        v2a_lora.Config(
            **common,
            data=str(clips),
            export=str(tmp_path / "adapter"),
            rank=2,
            training=training(tmp_path / "lora", learning_rate=0.1),
        )
    )
    one = VideoToAudioPipeline.from_pretrained(str(folder), [Lora(adapter)], device="cpu")
    assert not np.array_equal(one(None, PROMPT, seconds=1.0).sound.waveform, plain)
    none = VideoToAudioPipeline.from_pretrained(str(folder), [Lora(adapter, 0.0)], device="cpu")
    assert np.allclose(none(None, PROMPT, seconds=1.0).sound.waveform, plain, atol=1e-5)


@pytest.mark.slow
def test_the_judges_report_has_the_picture_shuffled_every_rate_and_the_joins(sound_folder):
    scores = evaluate(Evaluation(model=str(sound_folder), count=2, minutes=1, rates=True, steps=1))
    groups = set(scores.shares)
    assert {"25 fps", "25 fps, video shuffled", "8 fps", "23.976 fps", "60 fps", "varying fps"} <= groups
    assert {"level step at joins / elsewhere", "spectrum step at joins / elsewhere"} <= set(scores.figures)


def test_a_folder_whose_parts_do_not_fit_is_refused(sound_folder, tmp_path):
    folder = tmp_path / "v2a"
    shutil.copytree(sound_folder / "v2a", folder)
    AudioTransformer.from_pretrained(folder / "transformer")
    config = json.loads((folder / "kinora.json").read_text())
    config["layout"]["samples_per_token"] = 256
    (folder / "kinora.json").write_text(json.dumps(config))
    with pytest.raises(Exception, match=r"the layout says 16000 samples and 62\.5 tokens"):
        VideoToAudioPipeline.from_pretrained(str(folder), device="cpu")
