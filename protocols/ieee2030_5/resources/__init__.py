"""The resources of IEEE 2030.5 that we speak, as frozen dataclasses named as in the standard."""
