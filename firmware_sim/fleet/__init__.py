"""A fleet of gateways as columns: real link messages, simulated physics, one process."""
