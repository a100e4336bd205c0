"""Every message of the link has bytes in the repository that stay readable."""

import json
from pathlib import Path
from typing import get_args

import pytest

from protocols.link.messages import Message
from protocols.link.topics import TopicKind
from protocols.link.wire import decode

VECTORS = Path(__file__).parents[1] / "vectors"


@pytest.mark.parametrize("folder", ["v1", "v1-extra-fields", "future"])
@pytest.mark.parametrize("kind", TopicKind)
def test_every_kind_of_message_has_its_bytes(kind: TopicKind, folder: str) -> None:
    """A later program could not read a gateway in the field, and no test would notice."""
    assert (VECTORS / "link" / folder / f"{kind.name.lower()}.json").is_file()


def test_every_message_class_is_in_a_golden_file() -> None:
    """A message of the link could change its form between two releases."""
    found = set()
    for kind in TopicKind:
        path = VECTORS / "link" / "v1" / f"{kind.name.lower()}.json"
        data = json.loads(path.read_text(encoding="utf-8"))
        found.add(type(decode(kind, bytes.fromhex("".join(data["hex"])))))
    assert found == set(get_args(Message))
