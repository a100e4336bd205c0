"""Alembic migrations of the registry; run by :mod:`cloud_coordinator.store.database`."""
