"""The independent process that releases devices when the agent falls silent."""
