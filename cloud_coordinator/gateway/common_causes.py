"""File of what takes several sites down at once: ``--common-causes FILE``, in TOML.

    [[cause]]
    name = "feeder F12"
    outage_probability = 0.0002
    sites = ["site-001", "site-002"]

Everything a person can get wrong is told in one line with the file, the key and the cause.
"""

from pathlib import Path
from typing import Final

from cloud_coordinator.gateway.keys import Keys, read_toml
from cloud_coordinator.services.assurance import AssurancePolicy, CommonCause
from protocols.vocabulary.identifiers import SiteId, checked_name

OPTION: Final = "--common-causes"
NAME_MAX: Final = 64


def read_policy(probability: float, file: Path | None) -> AssurancePolicy:
    """Read how sure awards are to be; without a file there are the usual causes only.

    Raises
    ------
    ConfigError
        Naming file, key and cause.
    """
    if file is None:
        return AssurancePolicy(probability=probability)
    keys = read_toml(file, OPTION)
    causes = tuple(_cause(section) for section in keys.sections("cause"))
    keys.refuse_others()
    names = [cause.name for cause in causes]
    twice = next((name for name in names if names.count(name) > 1), None)
    if twice is not None:
        raise keys.fault("cause", f"{twice!r} comes twice")
    return AssurancePolicy(probability=probability, causes=causes)


def _cause(keys: Keys) -> CommonCause:
    name = keys.text("name")
    if len(name) > NAME_MAX:
        raise keys.fault("name", f"has {len(name)} characters, at most {NAME_MAX}")
    chance = keys.number("outage_probability", -1.0)
    if not 0.0 <= chance < 1.0:
        raise keys.fault("outage_probability", "must be at least 0 and below 1")
    sites = keys.texts("sites")
    for site_id in sites:
        keys.checked("sites", lambda text: checked_name(text, "site id"), text=site_id)
    keys.refuse_others()
    return CommonCause(
        name=name,
        outage_probability=chance,
        sites=frozenset(SiteId(site_id) for site_id in sites),
    )
