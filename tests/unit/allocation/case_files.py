"""Reads a reference case: a question that a person can follow, with an independent optimum."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from cloud_coordinator.allocation.allocate import Grid
from cloud_coordinator.allocation.groups import prepare_groups
from cloud_coordinator.allocation.problem import Direction, FleetColumns, GroupCaps, Product

CASES = Path(__file__).parent / "cases"
COLUMNS = (
    "price_jpy_per_kwh",
    "steepness_jpy_per_kwh_w",
    "power_w_min",
    "power_w_max",
    "delivery",
    "headroom_w_up",
    "headroom_w_down",
    "ramp_w_per_s",
    "energy_wh_up",
    "energy_wh_down",
    "running_w_min",
    "running_jpy_per_h",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """One file."""

    name: str
    about: str
    fleet: FleetColumns
    products: tuple[Product, ...]
    grid: Grid | None
    optimum: dict[str, Any]
    solver: str


def _number(value: float | str) -> float:
    return float("inf") if value == "none" else float(value)


def read_case(path: Path) -> Case:
    """Read one."""
    data = json.loads(path.read_text(encoding="utf-8"))
    resources = data["resources"]
    rows = {name: np.array(resources[name], dtype=float) for name in COLUMNS if name in resources}
    products = tuple(
        Product(
            name=product["name"],
            required_w=product["required_w"],
            shortage_jpy_per_kwh=_number(product["shortage_jpy_per_kwh"]),
            direction=Direction[product.get("direction", "UP")],
            response_s=product.get("response_s"),
            duration_s=product.get("duration_s", 0.0),
        )
        for product in data["products"]
    )
    grid = None
    if "groups" in data:
        groups = data["groups"]
        names = ["", *groups["name"]]
        index = {name: at - 1 for at, name in enumerate(names)}
        grid = Grid(
            groups=prepare_groups(
                np.array([index[name] for name in groups["above"]]),
                np.array([index[name] for name in resources["group"]]),
            ),
            caps=GroupCaps(
                power_w_min=np.array(
                    [-_number(v) if v == "none" else v for v in groups["power_w_min"]]
                ),
                power_w_max=np.array([_number(v) for v in groups["power_w_max"]]),
            ),
        )
    return Case(
        name=path.stem,
        about=data["about"],
        fleet=FleetColumns(**rows),
        products=products,
        grid=grid,
        optimum=data["optimum"],
        solver=data["solver"],
    )


def all_cases() -> list[Case]:
    """Read every one, by name."""
    return [read_case(path) for path in sorted(CASES.glob("*.json"))]
