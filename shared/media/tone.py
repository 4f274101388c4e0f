"""High dynamic range to standard: HLG and PQ (ITU-R BT.2100) to BT.709, with reference white as white (BT.2408)."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

HDR = {16: "PQ", 18: "HLG"}
"""FFmpeg's numbers of transfer functions, and their names."""

PEAK, WHITE = 1000.0, 203.0
"""cd/m2 of the display that HLG is made for, and of reference white."""

KNEE = 0.8
"""Share of white above which highlights are compressed."""

TO_BT709 = np.array(
    [[1.6605, -0.5876, -0.0728], [-0.1246, 1.1329, -0.0083], [-0.0182, -0.1006, 1.1187]], np.float32
)
"""Linear BT.2020 to linear BT.709 (ITU-R BT.2087)."""

BT2020_LUMA = np.array([0.2627, 0.6780, 0.0593], np.float32)


def to_sdr(picture: NDArray[np.uint16], transfer: str) -> NDArray[np.uint8]:
    """A picture (H, W, 3) of 16 bits in BT.2020, coded by `HLG` or `PQ`, as BT.709 of 8 bits."""
    signal = picture.astype(np.float32) / 65535
    light = _from_hlg(signal) if transfer == "HLG" else _from_pq(signal)
    linear = np.maximum((light / WHITE) @ TO_BT709.T, 0)
    brightest = linear.max(axis=-1, keepdims=True)
    linear *= _compressed(brightest) / np.maximum(brightest, 1e-6)
    return np.rint(255 * np.clip(linear, 0, 1) ** (1 / 2.4)).astype(np.uint8)


def _from_hlg(signal: NDArray[np.float32]) -> NDArray[np.float32]:
    """cd/m2 on a display of `PEAK`: the inverse OETF, then the OOTF with a gamma of 1.2."""
    a, b, c = 0.17883277, 0.28466892, 0.55991073
    scene = np.where(signal <= 0.5, signal**2 / 3, (np.exp((signal - c) / a) + b) / 12)
    luma = np.maximum(scene @ BT2020_LUMA, 1e-6)[..., None]
    return PEAK * luma**0.2 * scene


def _from_pq(signal: NDArray[np.float32]) -> NDArray[np.float32]:
    """cd/m2, by the EOTF of SMPTE ST 2084."""
    m1, m2, c1, c2, c3 = 0.1593017578125, 78.84375, 0.8359375, 18.8515625, 18.6875
    power = np.maximum(signal, 0) ** (1 / m2)
    return 10_000 * (np.maximum(power - c1, 0) / (c2 - c3 * power)) ** (1 / m1)


def _compressed(level: NDArray[np.float32]) -> NDArray[np.float32]:
    """Levels relative to white: linear up to the knee, then ever slower towards 1."""
    beyond = np.maximum(level - KNEE, 0) / (1 - KNEE)
    return np.minimum(level, KNEE) + (1 - KNEE) * beyond / (1 + beyond)
