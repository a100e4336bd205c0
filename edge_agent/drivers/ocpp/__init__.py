"""The gateway as local central system for OCPP chargers."""
