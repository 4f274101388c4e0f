"""How much memory loading takes: `python benchmarks/load_memory.py [CASE ...]`.

Writes a checkpoint of about 2 GB (bfloat16) per case and loads it in a child process that builds nothing else.
Every page of the parameters is touched, so that what is mapped from the file counts. The table gives the child's
peak resident memory minus its resident memory before loading, in sizes of the checkpoint; the goal is 1.15.
"""

import argparse
import json
import os
import resource
import tempfile
from pathlib import Path

import torch

from foundation.checkpoints.layout import join, to_official
from foundation.checkpoints.loading import load_model
from foundation.checkpoints.writing import Pending, write_pickle, write_safetensors, write_shards
from foundation.models.transformer.model import VideoTransformer

CONFIG = {"num_attention_heads": 8, "num_layers": 12, "num_single_layers": 36}
PAGE = os.sysconf("SC_PAGE_SIZE")
CASES = {
    "official .safetensors": "official.safetensors",
    "official .pt": "official.pt",
    "diffusers' in one file": "diffusers.safetensors",
    "diffusers' folder": "diffusers",
}


def write(target):
    """A checkpoint of random rows; returns its bytes."""
    with torch.device("meta"):
        model = VideoTransformer(**CONFIG)
    state = model.state_dict()
    if target.stem == "official":
        state = {key: join(rows) for key, rows in to_official(state).items()}
    rows = {key: torch.randn(tensor.shape[-1]).expand(tensor.shape) for key, tensor in state.items()}
    tensors = {key: Pending((row,), (None,), torch.bfloat16) for key, row in rows.items()}
    if target.suffix == ".pt":
        write_pickle(target, tensors, "module")
    elif target.suffix:
        write_safetensors(target, tensors)
    else:
        write_shards(target, tensors, model.to_json_string())
    return sum(pending.size for pending in tensors.values())


def growth(source):
    """Load and touch every page in a child; returns how far its peak rose above what it had, in bytes."""
    reader, writer = os.pipe()
    if os.fork() == 0:
        before = int(Path("/proc/self/statm").read_text().split()[1]) * PAGE
        model = load_model(VideoTransformer, source, torch.bfloat16)
        for parameter in model.parameters():
            parameter.flatten()[:: PAGE // 2].sum()
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
        os.write(writer, json.dumps(peak - before).encode())
        os._exit(0)
    os.close(writer)
    with os.fdopen(reader) as result:
        grown = int(result.read())
    os.wait()
    return grown


def main():
    """Print one line per case."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("cases", nargs="*", metavar="CASE", help=f"of {', '.join(CASES)} [default: all]")
    chosen = parser.parse_args().cases or CASES
    for case in chosen:
        with tempfile.TemporaryDirectory() as folder:
            target = Path(folder) / CASES[case]
            size = write(target)
            print(f"{case:<24}{size / 1e9:6.2f} GB{growth(target) / size:8.3f}", flush=True)


if __name__ == "__main__":
    main()
