"""Protocols: bytes to events and back, pure; the floor everything stands on."""
