"""Simulated devices on real sockets: one listener per protocol, timers and nothing else."""
