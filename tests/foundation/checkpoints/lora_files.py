"""One LoRA as different programs write it, its keys spelt out by hand, apart from the code that is tested."""

import json

import torch
from safetensors.torch import save_file

WIDTH, RANK, ALPHA = 32, 4, 2.0

DOUBLE, SINGLE = "transformer_blocks.0", "single_transformer_blocks.0"
LAYERS = {
    "double_blocks.0.img_attn_qkv": (1, {f"{DOUBLE}.attn.to_{part}": 1 for part in "qkv"}),
    "double_blocks.0.txt_attn_qkv": (1, {f"{DOUBLE}.attn.add_{part}_proj": 1 for part in "qkv"}),
    "double_blocks.0.img_attn_proj": (1, {f"{DOUBLE}.attn.to_out.0": 1}),
    "double_blocks.0.txt_mlp.fc2": (4, {f"{DOUBLE}.ff_context.net.2": 1}),
    "single_blocks.0.linear1": (
        1,
        {**{f"{SINGLE}.attn.to_{part}": 1 for part in "qkv"}, f"{SINGLE}.proj_mlp": 4},
    ),
    "single_blocks.0.linear2": (5, {f"{SINGLE}.proj_out": 1}),
}
"""Official layer -> its columns and the rows of its parts in diffusers' layout, in widths of the model."""


def official_factors(width=WIDTH):
    """Official layer -> (down, up)."""
    generator = torch.Generator().manual_seed(5)
    return {
        layer: (
            torch.randn(RANK, columns * width, generator=generator) * 0.3,
            torch.randn(sum(parts.values()) * width, RANK, generator=generator) * 0.3,
        )
        for layer, (columns, parts) in LAYERS.items()
    }


def diffusers_factors(width=WIDTH):
    """The same by diffusers' layers, which share the down factor of a fused one."""
    factors = {}
    for layer, (down, up) in official_factors(width).items():
        parts = LAYERS[layer][1]
        rows = up.split([width * count for count in parts.values()])
        factors |= {name: (down.clone(), own.clone()) for name, own in zip(parts, rows, strict=True)}
    return factors


def keys(factors, name, down, up, alpha=True):
    """The tensors of a file: `name` makes a key's first part of a layer."""
    tensors = {}
    for layer, (below, above) in factors.items():
        tensors |= {f"{name(layer)}.{down}.weight": below, f"{name(layer)}.{up}.weight": above}
        if alpha:
            tensors[f"{name(layer)}.alpha"] = torch.tensor(ALPHA)
    return tensors


def header(prefix="transformer."):
    """The header that diffusers writes, peft's whole configuration in it."""
    config = {"r": RANK, "lora_alpha": ALPHA, "alpha_pattern": {}, "use_dora": False, "use_rslora": False}
    return {"lora_adapter_metadata": json.dumps({f"{prefix}{key}": value for key, value in config.items()})}


def underscored(prefix):
    return lambda layer: prefix + layer.replace(".", "_")


def dotted(prefix):
    return lambda layer: prefix + layer


def write_as(program, path, width=WIDTH):
    """The file that a program writes."""
    official, own = official_factors(width), diffusers_factors(width)
    tensors, metadata = {
        "diffusers": (keys(own, dotted("transformer."), "lora_A", "lora_B", alpha=False), header()),
        "diffusers-model": (keys(own, dotted(""), "lora_A", "lora_B", alpha=False), header("")),
        "peft": (keys(own, dotted("base_model.model."), "lora_A.default", "lora_B.default"), {}),
        "musubi": (keys(official, underscored("lora_unet_"), "lora_down", "lora_up"), {"ss_tag": "cat"}),
        "onetrainer": (keys(own, underscored("lora_transformer_"), "lora_down", "lora_up"), {}),
        "comfy": (keys(official, dotted("diffusion_model."), "lora_A", "lora_B"), {}),
        "official": (keys(official, dotted(""), "lora_down", "lora_up"), {}),
    }[program]
    save_file(tensors, path, metadata={"format": "pt", **metadata})
    return path


PROGRAMS = ("diffusers", "diffusers-model", "peft", "musubi", "onetrainer", "comfy", "official")
