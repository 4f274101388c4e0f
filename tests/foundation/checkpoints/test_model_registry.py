"""The names by which users know models: found on this machine, without a connection."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from official import official_state
from safetensors.torch import load_file

from foundation.checkpoints.cli import main
from foundation.checkpoints.registry import STARTER, find_parts, here, resolve, weights_of
from foundation.models.transformer.model import VideoTransformer
from foundation.t2v.pipeline import TextToVideoPipeline
from shared.errors import InputError, KinoraError, WeightsError

OFFLINE = """
import socket, sys
def refuse(*args, **kwargs):
    print("CONNECTS", args, flush=True)
    raise OSError("no network in this test")
socket.socket.connect = socket.socket.connect_ex = socket.getaddrinfo = socket.create_connection = refuse
from foundation.t2v.pipeline import TextToVideoPipeline
from foundation.checkpoints.registry import find_parts
from shared.errors import WeightsError
pipe = TextToVideoPipeline.from_pretrained(sys.argv[1], device="cpu")
print("FRAMES", *pipe("a red circle").frames.shape)
for name in ("hunyuanvideo", "hunyuanvideo-i2v", "someone/else", "nowhere"):
    try:
        find_parts(name)
    except WeightsError as error:
        print("REFUSED", error)
"""


@pytest.fixture(autouse=True)
def places(tmp_path, monkeypatch):
    monkeypatch.setenv("KINORA_MODELS", str(tmp_path / "models"))
    monkeypatch.setenv("KINORA_CACHE", str(tmp_path / "cache"))


@pytest.mark.slow
def test_a_whole_run_and_every_refusal_make_no_connection(model_folder, tmp_path):
    environment = {key: value for key, value in os.environ.items() if not key.endswith("_OFFLINE")}
    environment |= {"HF_HOME": str(tmp_path / "hub"), "PYTHONPATH": str(Path.cwd())}
    done = subprocess.run(
        [sys.executable, "-c", OFFLINE, str(model_folder)], capture_output=True, text=True, env=environment
    )
    assert done.returncode == 0, done.stderr
    assert "FRAMES 5 32 32 3" in done.stdout
    assert "CONNECTS" not in done.stdout
    refused = [line for line in done.stdout.splitlines() if line.startswith("REFUSED")]
    assert "`kinora models get hunyuanvideo` fetches it (about 42 GB" in refused[0]
    assert f"or put its folder at {tmp_path / 'models' / 'hunyuanvideo'}" in refused[0]
    assert "if it is a hub id, `kinora models get someone/else` fetches it" in refused[2]
    assert len(refused) == 4


def test_names_and_folders_are_resolved(model_folder, tmp_path):
    assert resolve("starter") == STARTER
    assert resolve(str(model_folder)) == model_folder
    shutil.copytree(model_folder, tmp_path / "models" / "hunyuanvideo")
    shutil.copytree(model_folder, tmp_path / "models" / "someone" / "else")
    assert resolve("hunyuanvideo") == tmp_path / "models" / "hunyuanvideo"
    assert resolve("someone/else") == tmp_path / "models" / "someone" / "else"
    assert list(here()) == ["starter", "hunyuanvideo", "someone/else"]
    assert set(weights_of("hunyuanvideo")) == {
        "transformer/diffusion_pytorch_model.safetensors",
        "vae/diffusion_pytorch_model.safetensors",
        "text_encoder/model.safetensors",
        "text_encoder_2/model.safetensors",
    }


def test_a_model_that_another_program_fetched_is_found(model_folder, tmp_path, monkeypatch):
    from huggingface_hub import constants

    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "hub"))
    repository = tmp_path / "hub" / "models--hunyuanvideo-community--HunyuanVideo"
    (repository / "refs").mkdir(parents=True)
    (repository / "refs" / "main").write_text("ab" * 20)
    snapshot = repository / "snapshots" / ("ab" * 20)
    shutil.copytree(model_folder, snapshot)
    assert resolve("hunyuanvideo") == snapshot
    shutil.rmtree(snapshot / "vae")  # fetched by halves
    with pytest.raises(WeightsError, match="is not on this machine"):
        resolve("hunyuanvideo")


def test_a_transformer_alone_takes_the_rest_from_its_base(model_folder, tmp_path):
    whole = TextToVideoPipeline.from_pretrained(str(model_folder), device="cpu")
    expected = whole("a red circle", seed=1)
    torch.save({"module": official_state(whole.transformer)}, tmp_path / "official.pt")
    whole.transformer.save_config(tmp_path)
    for alone in (tmp_path / "official.pt", model_folder / "transformer"):
        pipe = TextToVideoPipeline.from_pretrained(str(alone), base=str(model_folder), device="cpu")
        clip = pipe("a red circle", seed=1)
        # Mapped weights may lie otherwise in memory, which may change a last bit.
        assert np.abs(clip.frames.astype(int) - expected.frames).max() <= 1
        assert len(clip.metadata["weights_sha256"]) == 4
    with pytest.raises(
        WeightsError, match=r"the rest comes from --base: hunyuanvideo is not on this machine"
    ):
        TextToVideoPipeline.from_pretrained(str(tmp_path / "official.pt"))
    with pytest.raises(InputError, match="base is for a transformer alone"):
        TextToVideoPipeline.from_pretrained(str(model_folder), base="starter")
    with pytest.raises(WeightsError, match="text_embed_dim is 32, and 128 come from the text encoder"):
        TextToVideoPipeline.from_pretrained(str(tmp_path / "official.pt"), base="starter", device="cpu")


def test_the_official_folder_is_a_model_too(model_folder, tmp_path):
    """Spec section 3.1: tokenizers beside their encoders, pickles for transformer and VAE, no scheduler."""
    room = tmp_path / "ckpts" / "hunyuan-video-t2v-720p"
    for name, encoder in (("tokenizer", "text_encoder"), ("tokenizer_2", "text_encoder_2")):
        shutil.copytree(model_folder / encoder, tmp_path / "ckpts" / encoder)
        shutil.copytree(model_folder / name, tmp_path / "ckpts" / encoder, dirs_exist_ok=True)
    whole = TextToVideoPipeline.from_pretrained(str(model_folder), device="cpu")
    (room / "transformers").mkdir(parents=True)
    torch.save(
        {"module": official_state(whole.transformer)}, room / "transformers" / "mp_rank_00_model_states.pt"
    )
    whole.transformer.save_config(room / "transformers")
    (room / "vae").mkdir()
    torch.save(whole.vae.state_dict(), room / "vae" / "pytorch_model.pt")
    whole.vae.save_config(room / "vae")
    pipe = TextToVideoPipeline.from_pretrained(str(tmp_path / "ckpts"), device="cpu")
    asked = {"size": (32, 32), "frames": 5, "steps": 2, "seed": 4, "cfg": 1.0, "shift": 3.0}
    made, expected = (one("a red circle", **asked).frames.astype(int) for one in (pipe, whole))
    # Pickled weights may lie otherwise in memory than mapped ones, which may change a last bit.
    assert np.abs(made - expected).max() <= 1
    assert pipe.defaults.shift == 7.0
    assert sorted(pipe.weights_sha256) == [
        "text_encoder/model.safetensors",
        "text_encoder_2/model.safetensors",
        "transformer/mp_rank_00_model_states.pt",
        "vae/pytorch_model.pt",
    ]


def swap(folder, part, other):
    shutil.rmtree(folder / part)
    shutil.copytree(folder / other, folder / part)


FOLDER_FAULTS = {
    "a VAE in the transformer's place": (
        lambda f: swap(f, "transformer", "vae"),
        "a video transformer is needed",
    ),
    "a transformer in the VAE's place": (lambda f: swap(f, "vae", "transformer"), "a video VAE is needed"),
    "an empty file": (
        lambda f: (f / "transformer/diffusion_pytorch_model.safetensors").write_bytes(b""),
        "transformer",
    ),
    "a missing file": (
        lambda f: (f / "vae/diffusion_pytorch_model.safetensors").unlink(),
        "vae",
    ),
    "no configuration": (lambda f: (f / "vae/config.json").unlink(), r"vae/config\.json is missing"),
    "a damaged configuration": (lambda f: (f / "vae/config.json").write_text("{"), "config.json is no JSON"),
    "a missing part": (lambda f: shutil.rmtree(f / "tokenizer_2"), "tokenizer_2 is missing"),
}


@pytest.mark.parametrize("fault", FOLDER_FAULTS)
def test_a_faulty_folder_is_refused_in_one_line(model_folder, tmp_path, fault):
    folder = shutil.copytree(model_folder, tmp_path / "model")
    damage, message = FOLDER_FAULTS[fault]
    damage(folder)
    with pytest.raises(KinoraError, match=message) as refusal:
        TextToVideoPipeline.from_pretrained(str(folder), device="cpu")
    assert "\n" not in str(refusal.value)


def test_list_says_what_is_here(capsys, model_folder, tmp_path):
    shutil.copytree(model_folder, tmp_path / "models" / "hunyuanvideo")
    main(["list"])
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in lines] == ["starter", "hunyuanvideo", "hunyuanvideo-i2v"]
    assert str(tmp_path / "models" / "hunyuanvideo") in lines[1]
    assert lines[2].endswith("not here, about 43 GB")


def test_the_starter_passes_its_check(capsys):
    main(["check", "starter"])
    main(["check"])
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 8
    assert all(
        line.startswith(state)
        for line, state in zip(lines, ["recorded"] * 4 + ["unchanged"] * 4, strict=True)
    )


@pytest.mark.parametrize(
    ("argv", "message"),
    [
        (["chekc"], r"unknown action 'chekc' \(did you mean check\?\)"),
        (["get", "starter"], "nothing to fetch"),
        (["get", "hunyuanvide"], r"did you mean hunyuanvideo\?"),
        (["convert", "a", "b"], "--layout"),
        (["convert", "a", "b", "--layout", "comfy"], "invalid choice: 'comfy'"),
        (["check", "nowhere"], "is not here"),
    ],
)
def test_bad_words_are_refused(argv, message):
    with pytest.raises(KinoraError, match=message):
        main(argv)


def test_help_and_list_do_not_wait_for_torch():
    script = "import sys; from foundation.checkpoints.cli import main; main(['list']); sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", script], capture_output=True).returncode == 0


def test_text_encoders_accept_the_keys_of_a_whole_clip(tmp_path, model_folder):
    """openai/clip-vit-large-patch14 holds both towers; the text tower's keys come with and without a prefix."""
    from safetensors.torch import save_file

    from foundation.checkpoints.text_encoders import load_clip

    tensors = load_file(model_folder / "text_encoder_2" / "model.safetensors")
    bare = {key.removeprefix("text_model."): tensor for key, tensor in tensors.items()}
    config = (model_folder / "text_encoder_2" / "config.json").read_text()
    expected = load_clip(model_folder / "text_encoder_2", torch.float32).state_dict()
    spellings = {
        "both towers": {f"text_model.{key}": tensor for key, tensor in bare.items()}
        | {"vision_model.post_layernorm.weight": torch.ones(4), "logit_scale": torch.ones(1)},
        "prefix": {f"text_model.{key}": tensor for key, tensor in bare.items()},
        "bare": bare,
    }
    for name, state in spellings.items():
        folder = tmp_path / name
        folder.mkdir()
        (folder / "config.json").write_text(config)
        save_file(state, folder / "model.safetensors", metadata={"format": "pt"})
        for key, tensor in load_clip(folder, torch.float32).state_dict().items():
            assert torch.equal(tensor, expected[key]), (name, key)


def test_a_transformer_folder_saved_alone_is_read_back(tmp_path, model_folder):
    parts = find_parts(str(model_folder / "transformer"), str(model_folder))
    assert parts.transformer == model_folder / "transformer"
    assert parts.vae == model_folder / "vae"
    assert VideoTransformer.from_pretrained(parts.transformer).config.num_layers == 2


def test_a_part_of_a_model_is_refused_as_that_part(model_folder):
    with pytest.raises(WeightsError, match="is the vae of a model: give the model's folder"):
        TextToVideoPipeline.from_pretrained(str(model_folder / "vae"), device="cpu")
