"""What the comparisons with diffusers share: alternating times, a child's peak memory, counted FLOPs, a table."""

import argparse
import gc
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from statistics import median

import torch
from torch.utils.flop_counter import FlopCounterMode

Call = Callable[[], torch.Tensor]
Build = Callable[[str], Call]
"""Makes the model of a size ready and returns what is measured."""

STATUS, CLEAR = Path("/proc/self/status"), Path("/proc/self/clear_refs")


def compare(title: str, sides: Mapping[str, Build], sizes: Mapping[str, str]) -> None:
    """Print time, memory and FLOPs of both sides at every size; as a child (`--child`), measure memory alone.

    Args:
        title: what is compared.
        sides: `kinora` and `diffusers`; each builds the same weights and inputs from the same seed.
        sizes: name -> a line that says what it is.
    """
    parser = argparse.ArgumentParser(description=title)
    parser.add_argument("--repeats", type=int, default=9)
    parser.add_argument("--child", nargs=2, metavar=("SIDE", "SIZE"), help=argparse.SUPPRESS)
    chosen = parser.parse_args()
    if chosen.child:
        side, size = chosen.child
        print(peak_bytes(sides[side](size)))
        return
    print(f"{title}, float32, {torch.get_num_threads()} threads\n")
    print("| size | time, ms | memory, MiB | time ratio | memory ratio | FLOP ratio | difference |")
    print("|---|---|---|---|---|---|---|")
    for size, meaning in sizes.items():
        calls = {name: build(size) for name, build in sides.items()}
        ours, theirs = (calls[name]() for name in ("kinora", "diffusers"))
        difference = float((ours - theirs).abs().max() / theirs.abs().max())
        times = alternating_seconds(calls, chosen.repeats)
        work = {name: flops(call) for name, call in calls.items()}
        memory = {name: child_peak_bytes(name, size) for name in sides}
        print(
            f"| {meaning} | {_pair(times, 1e3)} | {_pair(memory, 2**-20)} | {_ratio(times):.2f} "
            f"| {_ratio(memory):.2f} | {_ratio(work):.2f} | {difference:.0e} |",
            flush=True,
        )


@torch.inference_mode()
def alternating_seconds(calls: Mapping[str, Call], repeats: int) -> dict[str, float]:
    """Median seconds of each call; they take turns, so that a slow spell of the machine meets all."""
    times: dict[str, list[float]] = {name: [] for name in calls}
    for _ in range(repeats):
        for name, call in calls.items():
            start = time.perf_counter()
            call()
            times[name].append(time.perf_counter() - start)
    return {name: median(seconds) for name, seconds in times.items()}


@torch.inference_mode()
def flops(call: Call) -> int:
    """Floating-point operations of matrix products, convolutions and attention."""
    with FlopCounterMode(display=False) as counter:
        call()
    return counter.get_total_flops()


@torch.inference_mode()
def peak_bytes(call: Call) -> int:
    """How far the resident memory of this process rises above where it stands (Linux)."""
    gc.collect()
    CLEAR.write_text("5")  # the high-water mark starts anew
    before = _status("VmRSS")
    call()
    return _status("VmHWM") - before


def child_peak_bytes(side: str, size: str) -> int:
    """`peak_bytes` of one side in a process of its own."""
    command = [sys.executable, sys.argv[0], "--child", side, size]
    return int(subprocess.run(command, check=True, capture_output=True, text=True).stdout.split()[-1])


def _status(field: str) -> int:
    line = next(line for line in STATUS.read_text().splitlines() if line.startswith(field))
    return 1024 * int(line.split()[1])


def _pair(values: Mapping[str, float], unit: float) -> str:
    return f"{values['kinora'] * unit:.0f} / {values['diffusers'] * unit:.0f}"


def _ratio(values: Mapping[str, float]) -> float:
    return values["kinora"] / values["diffusers"]
