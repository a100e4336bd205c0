"""Where the shipped models lie."""

from pathlib import Path

LATEST = "-latest"
"""End of the name of a model that learned from everything and was scored on nothing."""
_FOLDER = Path(__file__).parent / "shipped"


def model_path(name: str, *, folder: Path | None = None) -> Path:
    """File of a target's model; in the package if no folder is given."""
    return (folder or _FOLDER) / f"{name}.onnx"


def card_path(name: str, *, folder: Path | None = None) -> Path:
    """File of a target's model card."""
    return (folder or _FOLDER) / f"{name}.md"


def newest_path(name: str, *, folder: Path | None = None) -> Path:
    """File of a target's model that learned from everything, else of the one that was scored."""
    latest = model_path(name + LATEST, folder=folder)
    return latest if latest.is_file() else model_path(name, folder=folder)


def shipped_paths() -> tuple[Path, ...]:
    """Files of all forecast models that are shipped, by name."""
    return tuple(sorted(_FOLDER.glob("*.onnx")))
