"""Mode: how a site's agent runs. The numbers are the wire's (telemetry column ``mode``)."""

import enum


class Mode(enum.IntEnum):
    """Modes of a site agent. No mode means "unlimited".

    NORMAL follows the signal; DEGRADED does so while the link is late; AUTONOMOUS has lost
    the link and holds its obligations, then local economy; SAFE has released its devices to
    their own defaults inside the limits in force; MANUAL belongs to a technician and expires.
    """

    NORMAL = 0
    DEGRADED = 1
    AUTONOMOUS = 2
    SAFE = 3
    MANUAL = 4
