"""Simulated devices: physics wearing a protocol. Bytes and time in, bytes and truth out."""
