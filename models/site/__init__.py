"""Load and PV of one site, half hour by half hour, from what its own gateway has measured."""
