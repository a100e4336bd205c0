"""Forecast models: contract and features for run time; training lives apart."""
