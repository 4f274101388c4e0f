"""The official layout of tiny transformers, spelt out by hand, apart from the map that is tested."""

import torch
from tiny_models import tiny_transformer

from foundation.models.transformer.model import VideoTransformer

WIDTH = {"num_attention_heads": 1, "attention_head_dim": 32, "rope_axes_dim": (4, 14, 14)}
"""The narrowest heads from which shapes alone tell the rotary axes."""


def told_transformer(**changes):
    """A tiny transformer whose configuration its shapes tell."""
    return tiny_transformer(VideoTransformer, **WIDTH | changes)


def official_state(model):
    """The official state dict of a transformer: what its authors' code would have saved."""
    own = model.state_dict()
    state = {}

    def copy(official, name):
        for kind in ("weight", "bias"):
            if f"{name}.{kind}" in own:
                state[f"{official}.{kind}"] = own[f"{name}.{kind}"].clone()

    def stack(official, *names):
        for kind in ("weight", "bias"):
            state[f"{official}.{kind}"] = torch.cat([own[f"{name}.{kind}"] for name in names])

    copy("img_in.proj", "x_embedder.proj")
    signals = {"time_in": "timestep", "guidance_in": "guidance"}
    for official, name in signals.items():
        copy(f"{official}.mlp.0", f"time_text_embed.{name}_embedder.linear_1")
        copy(f"{official}.mlp.2", f"time_text_embed.{name}_embedder.linear_2")
    copy("vector_in.in_layer", "time_text_embed.text_embedder.linear_1")
    copy("vector_in.out_layer", "time_text_embed.text_embedder.linear_2")
    copy("txt_in.input_embedder", "context_embedder.proj_in")
    for place, number in ((0, 1), (2, 2)):
        embedder = "context_embedder.time_text_embed"
        copy(f"txt_in.t_embedder.mlp.{place}", f"{embedder}.timestep_embedder.linear_{number}")
        copy(f"txt_in.c_embedder.linear_{number}", f"{embedder}.text_embedder.linear_{number}")
    for i in range(model.config.num_refiner_layers):
        block, name = (
            f"txt_in.individual_token_refiner.blocks.{i}",
            f"context_embedder.token_refiner.refiner_blocks.{i}",
        )
        copy(f"{block}.norm1", f"{name}.norm1")
        copy(f"{block}.norm2", f"{name}.norm2")
        stack(f"{block}.self_attn_qkv", *(f"{name}.attn.to_{part}" for part in "qkv"))
        copy(f"{block}.self_attn_proj", f"{name}.attn.to_out.0")
        copy(f"{block}.mlp.fc1", f"{name}.ff.net.0.proj")
        copy(f"{block}.mlp.fc2", f"{name}.ff.net.2")
        copy(f"{block}.adaLN_modulation.1", f"{name}.norm_out.linear")
    for i in range(model.config.num_layers):
        block, name = f"double_blocks.{i}", f"transformer_blocks.{i}"
        stack(f"{block}.img_attn_qkv", *(f"{name}.attn.to_{part}" for part in "qkv"))
        stack(f"{block}.txt_attn_qkv", *(f"{name}.attn.add_{part}_proj" for part in "qkv"))
        for stream, norm, out, feed, added in (
            ("img", "norm1", "to_out.0", "ff", ""),
            ("txt", "norm1_context", "to_add_out", "ff_context", "added_"),
        ):
            copy(f"{block}.{stream}_mod.linear", f"{name}.{norm}.linear")
            copy(f"{block}.{stream}_attn_proj", f"{name}.attn.{out}")
            copy(f"{block}.{stream}_mlp.fc1", f"{name}.{feed}.net.0.proj")
            copy(f"{block}.{stream}_mlp.fc2", f"{name}.{feed}.net.2")
            for part in "qk":
                copy(f"{block}.{stream}_attn_{part}_norm", f"{name}.attn.norm_{added}{part}")
    for i in range(model.config.num_single_layers):
        block, name = f"single_blocks.{i}", f"single_transformer_blocks.{i}"
        parts = [f"{name}.attn.to_{part}" for part in "qkv"]
        stack(f"{block}.linear1", *parts, f"{name}.proj_mlp")
        copy(f"{block}.linear2", f"{name}.proj_out")
        copy(f"{block}.modulation.linear", f"{name}.norm.linear")
        for part in "qk":
            copy(f"{block}.{part}_norm", f"{name}.attn.norm_{part}")
    copy("final_layer.linear", "proj_out")
    for kind in ("weight", "bias"):
        scale, shift = own[f"norm_out.linear.{kind}"].chunk(2)
        state[f"final_layer.adaLN_modulation.1.{kind}"] = torch.cat([shift, scale])
    return state
