"""Memory of a run, known before anything is allocated."""

import json
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from foundation.checkpoints.registry import STARTER, ModelParts, find_parts
from foundation.runtime import preflight
from foundation.runtime.estimate import RELEASED_MODEL, Clip, estimate, read_model
from foundation.runtime.preflight import check_memory, fitting_options
from foundation.runtime.settings import RuntimeSettings
from foundation.t2v.pipeline import TextToVideoPipeline
from foundation.t2v.request import TextToVideoRequest
from shared.config import Size
from shared.errors import ResourceError, WeightsError

GB = 1e9


def asked(**settings):
    return TextToVideoRequest(prompt="a red circle", device="cpu", **settings)


@pytest.fixture
def small_machine(monkeypatch):
    """A machine of 20 GB without a GPU."""
    monkeypatch.setattr(preflight, "memory", lambda: (20 * GB, None))


def test_headers_tell_what_the_loaded_model_has(model_folder):
    told = read_model(find_parts(str(model_folder)))
    pipe = TextToVideoPipeline.from_pretrained(str(model_folder))
    for name, part in told.parts.items():
        stored = sum(tensor.numel() for tensor in getattr(pipe, name).parameters())
        assert part.numbers == pytest.approx(stored, rel=0.05), name
    config = pipe.transformer.config
    assert told.width == config.num_attention_heads * config.attention_head_dim
    assert told.patch == config.patch_size


def test_a_clip_that_cannot_fit_is_refused_with_what_fits(small_machine):
    parts = find_parts("starter")
    with pytest.raises(ResourceError) as refused:
        check_memory(asked(size="2048x2048", frames=129), parts)
    line = str(refused.value)
    assert line.startswith("2048x2048 with 129 frames needs about 33.9 GB of main memory")
    assert "\n" not in line and "20 GB are there" in line
    frames, size = (
        word.split()[-1] for word in line.split("what fits: ")[1].replace(" frames", "").split("; ")
    )
    check_memory(asked(size="2048x2048", frames=int(frames)), parts)
    check_memory(asked(size=size, frames=129), parts)


def test_the_longest_of_the_largest_is_refused_and_the_default_is_not(small_machine):
    check_memory(asked(), find_parts("starter"))
    with pytest.raises(ResourceError):
        check_memory(asked(size="4096x4096", seconds=120), find_parts("starter"))


@pytest.mark.parametrize(
    "change",
    [{"size": [10**9, 10**9]}, {"frames": 10**400}, {"frames": "9"}, {"fps": 1e-300}, {"size": [64]}],
)
def test_absurd_numbers_of_a_folder_are_one_line(change, tmp_path):
    known = {"fps": 8.0, "size": [64, 64], "frames": 17, "steps": 20, "cfg": 3.0}
    (tmp_path / "kinora.json").write_text(json.dumps({**known, **change}))
    parts = find_parts("starter")
    own = ModelParts(tmp_path, *(getattr(parts, name) for name in list(vars(parts))[1:-1]))
    with pytest.raises(WeightsError, match=r"kinora\.json is damaged") as refused:
        check_memory(asked(), own)
    assert "\n" not in str(refused.value) and len(str(refused.value)) < 400


def test_a_gpu_that_is_too_small_is_offered_options(monkeypatch):
    monkeypatch.setattr(preflight, "memory", lambda: (64 * GB, 24 * GB))
    monkeypatch.setattr(preflight, "has_gpu_driver", lambda: True)
    monkeypatch.setattr(preflight, "read_model", lambda parts: RELEASED_MODEL)
    request = TextToVideoRequest(prompt="x", device="cuda", size="1280x720", frames=129)
    with pytest.raises(ResourceError, match=r"of the GPU memory .* what fits: offload group"):
        check_memory(request, find_parts("starter"))


def test_a_gpu_that_may_be_too_small_is_said_and_tried(monkeypatch, capsys):
    monkeypatch.setattr(preflight, "memory", lambda: (64 * GB, 48 * GB))
    monkeypatch.setattr(preflight, "has_gpu_driver", lambda: True)
    monkeypatch.setattr(preflight, "read_model", lambda parts: RELEASED_MODEL)
    request = TextToVideoRequest(prompt="x", device="cuda", size="1280x720", frames=129)
    check_memory(request, find_parts("starter"))
    assert "memory may run out: 1280x720 with 129 frames needs about 59.4 GB" in capsys.readouterr().err


DOCS = Path(__file__).parents[3] / "docs" / "runtime.md"
CLIPS = (
    Clip(Size(1280, 720), 129),
    Clip(Size(960, 544), 129),
    Clip(Size(960, 544), 61),
    Clip(Size(960, 544), 1),
)


@pytest.mark.parametrize("gigabytes", [8, 12, 16, 24, 48, 80])
def test_the_table_of_flags_is_what_the_arithmetic_says(gigabytes):
    row = next(line for line in DOCS.read_text().splitlines() if line.startswith(f"| {gigabytes} GB |"))
    told = [cell.strip().strip("`") for cell in row.split("|")[2:-1]]
    own = RuntimeSettings(device="cuda")
    options = [fitting_options(RELEASED_MODEL, clip, own, gigabytes * GB) for clip in CLIPS]
    words = {None: "does not fit", "": "nothing"}
    assert told == [
        words.get(one, " ".join(f"--{word}" for word in (one or "").split(", "))) for one in options
    ]


def test_weights_count_by_their_kind(tmp_path):
    file = tmp_path / "vae" / "x.safetensors"
    file.parent.mkdir()
    save_file({"a": torch.zeros(8, 4), "b": torch.zeros(16, dtype=torch.float8_e4m3fn)}, file)
    part = read_model(ModelParts(tmp_path, *[tmp_path / "vae"] * 6)).parts["vae"]
    assert (part.numbers, part.fixed, part.bytes(2)) == (32, 16, 80)


@pytest.mark.parametrize("content", [b"", b"\xff" * 64, b"\x08\0\0\0\0\0\0\0[[[[[[[["])
def test_a_damaged_header_is_left_to_the_loader(content, tmp_path):
    file = tmp_path / "vae" / "x.safetensors"
    file.parent.mkdir()
    file.write_bytes(content)
    assert read_model(ModelParts(tmp_path, *[tmp_path / "vae"] * 6)).parts["vae"].fixed == 0


def test_more_is_never_estimated_as_less():
    model = read_model(find_parts(str(STARTER)))
    sizes = [
        estimate(model, Clip(Size(side, side), 17), RuntimeSettings(), False) for side in (64, 512, 4096)
    ]
    lengths = [estimate(model, Clip(Size(512, 512), one), RuntimeSettings(), False) for one in (1, 65, 2881)]
    for grown in (sizes, lengths):
        assert [one.peak for one in grown] == sorted(one.peak for one in grown)
