"""Forecasts of the next market day: columns, features and answers; for training and run time."""
