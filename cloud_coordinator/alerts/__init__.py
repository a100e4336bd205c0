"""Faults that last: raised once, cleared once."""
