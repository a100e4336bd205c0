"""Drivers: one field protocol each, between our nouns and the device's words."""
