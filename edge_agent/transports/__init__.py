"""Transports move bytes and mean nothing."""
