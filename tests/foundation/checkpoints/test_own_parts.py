"""Parts of a model as ComfyUI keeps them: one file each, beside a model folder."""

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

from foundation import TextToVideoPipeline
from foundation.checkpoints.registry import find_parts
from shared.errors import KinoraError

PROMPT = "a red circle moves right on a gray background"
PARTS = ("vae", "text_encoder", "text_encoder_2")


@pytest.fixture
def files(model_folder, tmp_path):
    """Each part as one file elsewhere."""
    made = {}
    for part in PARTS:
        (source,) = (model_folder / part).glob("*.safetensors")
        made[part] = tmp_path / f"{part}.safetensors"
        save_file(load_file(source), made[part])
    return made


def clip(model_folder, **own):
    pipe = TextToVideoPipeline.from_pretrained(
        str(model_folder), device="cpu", own={part: str(file) for part, file in own.items()}
    )
    return pipe, pipe(PROMPT, seed=3).frames


def test_files_make_the_clip_that_their_folders_make(model_folder, files):
    _, expected = clip(model_folder)
    pipe, frames = clip(model_folder, **files)
    assert np.array_equal(frames, expected)
    assert {"vae/vae.safetensors", "text_encoder/text_encoder.safetensors"} <= set(pipe.weights_sha256)


def test_another_vae_decodes_otherwise(model_folder, files):
    save_file({key: tensor * 0.5 for key, tensor in load_file(files["vae"]).items()}, files["vae"])
    assert not np.array_equal(clip(model_folder, vae=files["vae"])[1], clip(model_folder)[1])


def test_a_causal_language_model_and_scaled_float8_are_read(model_folder, files):
    """ComfyUI's llava_llama3 files name the decoder `model.`, and its scaled ones keep a scale beside each weight."""
    reference, _ = clip(model_folder)
    stored = {}
    for key, tensor in load_file(files["text_encoder"]).items():
        name = key.removeprefix("language_model.")
        if tensor.ndim == 2 and "embed" not in key:
            scale = tensor.abs().max() / 448
            stored[name] = (tensor / scale).to(torch.float8_e4m3fn)
            stored[f"{name.removesuffix('.weight')}.scale_weight"] = scale.reshape(())
        else:
            stored[name] = tensor
    save_file({**stored, "scaled_fp8": torch.zeros(2, dtype=torch.float8_e4m3fn)}, files["text_encoder"])
    pipe, _ = clip(model_folder, text_encoder=files["text_encoder"])
    own, read = reference.text_encoder.get_decoder().state_dict(), pipe.text_encoder.state_dict()
    assert own.keys() == read.keys()
    for key, tensor in own.items():
        assert torch.allclose(read[key], tensor, atol=0.08 * float(tensor.abs().max())), key


@pytest.mark.parametrize("part", PARTS)
def test_a_file_of_something_else_is_refused_in_one_line(model_folder, files, part, tmp_path):
    wrong = tmp_path / "wrong.safetensors"
    save_file({"some.weight": torch.zeros(3, 3)}, wrong)
    for file in (wrong, tmp_path / "none.safetensors", tmp_path):
        if file == tmp_path:
            (file / "notes.txt").write_text("x")
            for other in files.values():
                other.unlink(missing_ok=True)
            wrong.unlink()
        with pytest.raises(KinoraError) as refused:
            TextToVideoPipeline.from_pretrained(str(model_folder), own={part: str(file)})
        assert "\n" not in str(refused.value)


def test_one_layer_of_another_width_is_named(model_folder, files):
    tensors = load_file(files["text_encoder_2"])
    key = next(name for name in tensors if name.endswith("token_embedding.weight"))
    save_file({**tensors, key: tensors[key][:, :3].contiguous()}, files["text_encoder_2"])
    with pytest.raises(KinoraError, match=r"token_embedding\.weight has shape"):
        clip(model_folder, text_encoder_2=files["text_encoder_2"])


def test_a_folder_of_a_part_is_taken_too(model_folder):
    own = find_parts("starter", own={"vae": str(model_folder / "vae")})
    assert own.vae == model_folder / "vae" and own.transformer == find_parts("starter").transformer
