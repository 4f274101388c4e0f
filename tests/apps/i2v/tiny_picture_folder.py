"""An image-to-video model folder with random weights at tiny width."""

import json
import shutil

import pytest
from tiny_models import tiny_transformer

from apps.i2v.conditioning.channels import take_pictures
from apps.i2v.conditioning.variants import APP_FILE
from foundation import VideoTransformer


@pytest.fixture(scope="session")
def i2v_folder(model_folder, tmp_path_factory):
    """The tiny text-to-video model, widened for pictures, with random weights in every layer."""
    folder = tmp_path_factory.mktemp("i2v") / "model"
    shutil.copytree(model_folder, folder)
    config = VideoTransformer.load_config(folder / "transformer")
    transformer = tiny_transformer(
        VideoTransformer, **{key: config[key] for key in ("text_embed_dim", "pooled_projection_dim")}
    )
    take_pictures(transformer)
    transformer.x_embedder.proj.weight.data[:, 4:] = 0.1
    transformer.save_pretrained(folder / "transformer")
    (folder / APP_FILE).write_text(json.dumps({"app": "i2v"}))
    return folder
