"""Scenarios: what is simulated, read strictly from JSON, built into sites, or generated."""
