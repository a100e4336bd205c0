"""Forecasts of a site's load and generation, behind one port."""
