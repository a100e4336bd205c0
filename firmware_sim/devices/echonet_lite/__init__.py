"""Devices of ECHONET Lite: appliances that decide by their class, behind a node."""
