"""How large a code has to be printed: the smallest safe size for a distance.

The rule of thumb of print shops is a tenth of the distance, for symbols of about 25 modules. What a camera has to tell
apart is the module, so denser symbols have to be larger: a module is at least 1/250 of the distance.
"""

import math
from dataclasses import dataclass
from typing import Final

DISTANCE_PER_MODULE: Final = 250
MIN_MODULE_MM: Final = 0.5  # closer than 12 cm cameras lose their focus, and ink runs
MIN_DISTANCE_M, MAX_DISTANCE_M = 0.05, 200.0
ROUND_UP_MM: Final = 0.5


class AdviceError(ValueError):
    """The distance or resolution cannot be advised about; the text says why."""


@dataclass(frozen=True, slots=True)
class Advice:
    """``size_mm`` is the edge with the quiet zone, which is what every size in Waymark means."""

    size_mm: float
    symbol_mm: float  # without the quiet zone
    module_mm: float
    module_dots: int | None  # of the printer, when its resolution is known


def smallest_safe_size(distance_m: float, edge_modules: int, dpi: int | None = None) -> Advice:
    """``edge_modules`` counts the quiet zone's eight."""
    if not MIN_DISTANCE_M <= distance_m <= MAX_DISTANCE_M:
        raise AdviceError(
            f"A distance of {distance_m:g} m cannot be advised about. Choose {MIN_DISTANCE_M:g} to {MAX_DISTANCE_M:g} m."
        )
    if dpi is not None and not 72 <= dpi <= 2400:
        raise AdviceError(f"A resolution of {dpi} dpi is no printer's. Choose 72 to 2400.")
    module_mm = max(MIN_MODULE_MM, distance_m * 1000 / DISTANCE_PER_MODULE)
    if dpi is None:
        size_mm = math.ceil(module_mm * edge_modules / ROUND_UP_MM - 1e-9) * ROUND_UP_MM
        module_mm = size_mm / edge_modules
        dots = None
    else:
        dots = math.ceil(module_mm * dpi / 25.4 - 1e-9)
        module_mm = dots * 25.4 / dpi
        size_mm = module_mm * edge_modules
    return Advice(round(size_mm, 2), round(module_mm * (edge_modules - 8), 2), round(module_mm, 3), dots)
