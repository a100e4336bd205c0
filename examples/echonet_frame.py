"""Read what a battery said: bytes, a frame, values, our sign.

The codec keeps the specification's words and signs; for a battery + is charging. The driver
turns that once into the sign used everywhere else, where + flows toward the grid.

Prints::

    027D01 answers 05FF01 with GET_RES
    D3 Measured instantaneous charging/discharging electric power: -1000 W
       in our sign, + toward the grid: 1000 W
    E4 Remaining stored electricity 3: 50 %
"""

from protocols.echonet_lite.frame import decode_frame
from protocols.echonet_lite.properties import decode_value, is_turned, lookup

DATAGRAM = bytes.fromhex("1081 0001 027D01 05FF01 72 02 D304FFFFFC18 E40132")


def main() -> None:
    """Decode one datagram."""
    frame = decode_frame(DATAGRAM)  # garbage raises RemoteProtocolError, nothing else
    print(f"{frame.seoj} answers {frame.deoj} with {frame.esv.name}")
    for entry in frame.properties:
        spec = lookup(frame.seoj.class_code, entry.epc)
        assert spec is not None, "the table has both"
        value = decode_value(spec, entry.edt).value
        print(f"{entry.epc:02X} {spec.name}: {value} {spec.unit}")
        if isinstance(value, int) and is_turned(frame.seoj.class_code, entry.epc):
            print(f"   in our sign, + toward the grid: {-value} {spec.unit}")


if __name__ == "__main__":
    main()
