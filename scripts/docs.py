"""Draw the generated parts of the documentation from the code (`make docs`).

The import diagram of docs/architecture.md comes from the imports, the mode diagram from the
mode table. A test compares, so the pages cannot drift from the code.
"""

import re
import sys
from collections import defaultdict
from pathlib import Path

import grimp

ROOT = Path(__file__).parents[1]
PACKAGES = ("protocols", "models", "firmware_sim", "edge_agent", "cloud_coordinator")
PAGE = ROOT / "docs" / "architecture.md"


def _room(module: str) -> str:
    return ".".join(module.split(".")[:2])


def import_diagram() -> str:
    """Mermaid diagram of which room imports which, from the code's imports."""
    graph = grimp.build_graph(*PACKAGES, cache_dir=None)
    arrows: dict[str, set[str]] = defaultdict(set)
    for module in graph.modules:
        for imported in graph.find_modules_directly_imported_by(module):
            here, there = _room(module), _room(imported)
            if here == there:
                continue
            # An arrow into another package ends at that package: floors, not rooms.
            if here.split(".")[0] != there.split(".")[0]:
                there = there.split(".")[0]
            arrows[here].add(there)
    lines = ["```mermaid", "flowchart TD"]
    for package in PACKAGES:
        rooms = sorted(room for room in arrows if room.split(".")[0] == package and "." in room)
        lines.append(f"  subgraph {package}")
        lines += [f"    {room}[{room.split('.')[1]}]" for room in rooms]
        lines.append("  end")
    for here in sorted(arrows):
        lines += [f"  {here} --> {there}" for there in sorted(arrows[here]) if there != here]
    lines.append("```")
    return "\n".join(lines)


def mode_diagram() -> str:
    """Mermaid diagram of the edge's modes, from its table."""
    from edge_agent.mode.diagram import mermaid  # noqa: PLC0415  needs the edge extra only here

    return f"```mermaid\n{mermaid().strip()}\n```"


def rendered(text: str) -> str:
    """Return the page with its generated parts drawn again."""
    for name, drawing in (("imports", import_diagram()), ("modes", mode_diagram())):
        pattern = rf"(<!-- begin {name} -->\n).*?(<!-- end {name} -->)"
        text = re.sub(
            pattern,
            lambda match, drawing=drawing: f"{match[1]}{drawing}\n{match[2]}",
            text,
            flags=re.DOTALL,
        )
    return text


def main() -> int:
    """Rewrite the page, or with ``--check`` say whether it is true."""
    before = PAGE.read_text(encoding="utf-8")
    after = rendered(before)
    if "--check" in sys.argv:
        return int(before != after)
    PAGE.write_text(after, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
