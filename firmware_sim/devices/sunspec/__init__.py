"""Simulated SunSpec devices: a model chain over a machine, with timers that revert."""
