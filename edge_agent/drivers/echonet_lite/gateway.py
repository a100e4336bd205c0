"""The gateway's own node: a node profile and one controller, for those who ask.

ECHONET Lite asks every node to answer for itself and to announce itself when it starts; some
devices only answer to nodes they have heard of.
"""

import hashlib
from typing import Final

from protocols.echonet_lite.frame import CONTROLLER
from protocols.echonet_lite.node import LocalNode, LocalObject, LocalProperty, NodeIdentity
from protocols.vocabulary.identifiers import SiteId

_UNIQUE_BYTES: Final = 13
_ON: Final = b"\x30"
_PLACE_NOT_SET: Final = b"\x00"
_RELEASE_R: Final = b"\x00\x00R\x00"
_NO_FAULT: Final = b"\x42"


def gateway_node(site_id: SiteId) -> LocalNode:
    """Node of a site's gateway; its identification number is made from the site id.

    Notes
    -----
    ECHONET Lite Appendix, 05FF controller with the required properties of the super class.
    """
    unique = hashlib.sha256(site_id.encode("ascii")).digest()[:_UNIQUE_BYTES]
    identity = NodeIdentity.of(unique)
    values = {
        0x80: _ON,
        0x81: _PLACE_NOT_SET,
        0x82: _RELEASE_R,
        0x83: identity.node_id,
        0x88: _NO_FAULT,
        0x8A: identity.maker,
    }
    properties = [
        LocalProperty(epc=epc, edt=edt, announced=epc in {0x80, 0x81, 0x88})
        for epc, edt in values.items()
    ]
    return LocalNode([LocalObject(CONTROLLER, properties)], identity)
