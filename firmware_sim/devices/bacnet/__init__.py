"""Simulated BACnet devices: objects over a machine."""
