"""``vpp``: finds the verb among the installed packages' entry points and calls it.

Imports none of our packages, so a verb whose extra is missing costs the others nothing.
"""

import sys
from importlib.metadata import EntryPoint, entry_points

_EXTRA = {
    "cloud_coordinator": "cloud",
    "firmware_sim": "sim",
    "edge_agent": "edge",
    "models": "train",
}


def _usage(verbs: dict[str, EntryPoint]) -> str:
    names = "\n".join(f"  {name}" for name in sorted(verbs))
    return (
        "usage: vpp VERB [OPTIONS]\n\nverbs:\n"
        f"{names}\n\nexample: vpp demo --sites 5 --duration 60\n"
        "`vpp VERB --help` explains a verb.\n"
    )


def main() -> int:
    """Run the verb named on the command line.

    Returns
    -------
    int
        Exit code of the verb; 2 for an unknown verb or a missing extra.
    """
    verbs = {point.name: point for point in entry_points(group="vpp.verbs")}
    arguments = sys.argv[1:]
    if not arguments or arguments[0] in {"-h", "--help", "help"}:
        sys.stdout.write(_usage(verbs))
        return 0
    name = arguments[0]
    if name not in verbs:
        sys.stderr.write(f"vpp: no verb {name!r}; `vpp --help` lists them\n")
        return 2
    point = verbs[name]
    try:
        run = point.load()
    except ModuleNotFoundError as error:
        extra = _EXTRA.get(point.module.partition(".")[0], "edge,cloud,sim")
        sys.stderr.write(
            f"vpp {name}: needs the package {error.name!r}; install it with: "
            f"pip install 'vpp[{extra}]'\n"
        )
        return 2
    sys.argv = [f"vpp {name}", *arguments[1:]]
    return int(run() or 0)
