"""Simulated chargers: a car's physics behind OCPP 1.6 and 2.0.1. Pure: time and words come in."""
