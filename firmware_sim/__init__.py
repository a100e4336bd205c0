"""Simulated devices on real wires, the faults they can have, and the demo that starts it all."""
