"""Where the shipped models lie."""

from pathlib import Path

_FOLDER = Path(__file__).parent / "shipped"


def model_path(name: str, *, folder: Path | None = None) -> Path:
    """File of a target's model; in the package if no folder is given."""
    return (folder or _FOLDER) / f"{name}.onnx"


def card_path(name: str, *, folder: Path | None = None) -> Path:
    """File of a target's model card."""
    return (folder or _FOLDER) / f"{name}.md"
