"""A site's computer against the machine that ran: how many times slower, what memory training may take, and why.

The ratios divide about 900 GFLOP/s, what the two-core machine on which the kit was built measures in bfloat16 matrix
products (about 180 in float32), by a device's peak: cores x GHz x float32 operations per core and cycle from its data
sheet. Three assumptions: that the machine that ran is like that one, that training takes the same share of matrix speed
everywhere, and that a device reaches its peak; so a true old PC is rather slower than what is written here.
"""

from __future__ import annotations

from dataclasses import dataclass

from fedkit.errors import FedkitError

GB = 10**9


@dataclass(frozen=True)
class Device:
    """slowdown: seconds here for each second of the machine that ran. memory: bytes free to train in; None: no limit."""

    slowdown: float
    memory: int | None
    basis: str


def parse_device(name: str) -> Device:
    """A device profile by name."""
    if name not in DEVICES:
        raise FedkitError(f"devices {name!r} is not known; choose one of: {', '.join(DEVICES)}")
    return DEVICES[name]


DEVICES: dict[str, Device] = {
    "as-measured": Device(1.0, None, "the machine that ran the training"),
    "half-speed": Device(2.0, None, "an assumption: twice the measured training time"),
    "quarter-speed": Device(4.0, None, "an assumption: four times the measured training time"),
    "tenth-speed": Device(10.0, None, "an assumption: ten times the measured training time"),
    "old-pc": Device(
        4.4, 5 * GB,
        "an office PC of 2012, Core i5-3470: 4 cores x 3.2 GHz x 16 (AVX, no FMA) = 205 GFLOP/s peak, 900 / 205; "
        "8 GB, of which 5 free",
    ),
    "laptop": Device(
        2.9, 11 * GB,
        "an office laptop of 2020, Core i5-1135G7: 4 cores x 2.4 GHz x 32 (one AVX-512 FMA) = 307 GFLOP/s peak, "
        "900 / 307; 16 GB, of which 11 free",
    ),
    "workstation": Device(
        0.52, 56 * GB,
        "Ryzen 9 5950X: 16 cores x 3.4 GHz x 32 (two AVX2 FMA) = 1,741 GFLOP/s peak, 900 / 1,741; 64 GB, of which 56 free",
    ),
    "gpu-server": Device(
        0.05, 36 * GB,
        "NVIDIA A100 40 GB: 312 TFLOP/s bfloat16 peak, of which 6 % assumed as small batches of short texts leave most "
        "of it idle, 900 / 18,000; 40 GB, of which 36 free",
    ),
    "phone": Device(
        11.0, 3 * GB,
        "Snapdragon 855: (2.84 + 3 x 2.42 GHz) x 16 (two NEON FMA), large cores only = 162 GFLOP/s peak, 900 / 162, "
        "twice that as heat is assumed to halve its clock; 6 GB, of which 3 free",
    ),
}  # fmt: skip
