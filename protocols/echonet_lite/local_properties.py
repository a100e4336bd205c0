"""What a local object begins with: its properties by the table, and the node's identity.

Called by whoever builds a :class:`protocols.echonet_lite.node.LocalNode`: the simulated
devices and the gateway's own node.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, time
from typing import Final

from protocols.echonet_lite.frame import NODE_PROFILE, Eoj
from protocols.echonet_lite.properties import Access, Value, encode_value, lookup
from protocols.vocabulary.errors import LocalProtocolError

_CLASSES_LISTED_MAX: Final = 8
_INSTANCE_LIST_NOTIFICATION: Final = 0xD5
_NODE_ID_BYTES: Final = 17
_NODE_ID_FORM: Final = 0xFE
_MAKER_BYTES: Final = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class LocalProperty:
    """A property a local object has.

    Attributes
    ----------
    epc : int
        0x80..0xFF.
    edt : bytes
        First value.
    gettable, settable, announced : bool
        Whether it is in the Get, Set and status change announcement map.
    """

    epc: int
    edt: bytes
    gettable: bool = True
    settable: bool = False
    announced: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class NodeIdentity:
    """Who a node is.

    Attributes
    ----------
    node_id : bytes
        EPC 83: 17 bytes, FE, the maker code and 13 bytes of the maker's own.
    """

    node_id: bytes

    def __post_init__(self) -> None:
        """Check the form."""
        if len(self.node_id) != _NODE_ID_BYTES or self.node_id[0] != _NODE_ID_FORM:
            raise LocalProtocolError("a node id has 17 bytes and begins with FE")

    @property
    def maker(self) -> bytes:
        """EPC 8A: 3 bytes."""
        return self.node_id[1 : 1 + _MAKER_BYTES]

    @classmethod
    def of(cls, unique: bytes, *, maker: bytes = b"\xff\xff\xff") -> "NodeIdentity":
        """Identity from up to 13 bytes of our own; FFFFFF is the maker code for experiments."""
        return cls(node_id=b"\xfe" + maker + unique.rjust(_NODE_ID_BYTES - 1 - len(maker), b"\0"))


def local_property(
    class_code: int, epc: int, value: Value | None, *, access: str = ""
) -> LocalProperty:
    """Property of a class as the table has it.

    Parameters
    ----------
    class_code, epc : int
        A row of the property table.
    value : Value or None
        First value in the specification's unit and sign; None is "no value".
    access : str
        Letters of ``"gsi"`` that the device offers. Empty: Get and Set where the table
        allows them, announcement where the table requires it.

    Raises
    ------
    LocalProtocolError
        If the table has no such row or the value does not fit.
    """
    spec = lookup(class_code, epc)
    if spec is None:
        raise LocalProtocolError(f"{class_code:04X}.{epc:02X} is not in the property table")
    return LocalProperty(
        epc=epc,
        edt=encode_value(spec, value),
        gettable="g" in access if access else spec.get is not Access.NONE,
        settable="s" in access if access else spec.set_ is not Access.NONE,
        announced="i" in access if access else spec.inf is Access.REQUIRED,
    )


def profile_properties(eojs: Sequence[Eoj], identity: NodeIdentity) -> tuple[LocalProperty, ...]:
    """Properties of the node profile of a node with these objects."""
    classes = tuple(dict.fromkeys(eoj.class_code for eoj in eojs))
    values: dict[int, Value] = {
        0x80: "booting",
        0x82: bytes((1, 13, 1, 0)),
        0x83: identity.node_id,
        0x8A: identity.maker,
        0xD3: len(eojs).to_bytes(3, "big"),
        0xD4: len(classes) + 1,
        0xD5: tuple(eojs),
        0xD6: tuple(eojs),
        0xD7: classes[:_CLASSES_LISTED_MAX],
    }
    profile = NODE_PROFILE.class_code
    return tuple(
        local_property(
            profile, epc, value, access="i" if epc == _INSTANCE_LIST_NOTIFICATION else ""
        )
        for epc, value in values.items()
    )


def device_properties(
    class_code: int, identity: NodeIdentity, *, product: str = ""
) -> tuple[LocalProperty, ...]:
    """Properties of the super class that a device of the class has to have, at rest.

    Parameters
    ----------
    class_code : int
        For example 0x027D.
    identity : NodeIdentity
        The node the device belongs to.
    product : str
        Product code, up to 12 ASCII characters.

    Returns
    -------
    tuple of LocalProperty
        80 (on), 81, 82 (Release R), 83, 88 (no fault) and 8A; 89, 8C, 97 and 98 where the
        class requires them. A later entry for the same EPC replaces one of these.
    """
    values: dict[int, Value] = {
        0x80: "on",
        0x81: b"\x00",
        0x82: b"\x00\x00R\x00",
        0x83: identity.node_id,
        0x88: "no fault",
        0x89: 0,
        0x8A: identity.maker,
        0x8C: product,
        0x97: time(0, 0),
        0x98: date(2026, 1, 1),
    }
    always = {0x83}
    specs = ((epc, lookup(class_code, epc)) for epc in values)
    return tuple(
        local_property(class_code, epc, values[epc])
        for epc, spec in specs
        if spec is not None and (spec.get is Access.REQUIRED or epc in always)
    )
