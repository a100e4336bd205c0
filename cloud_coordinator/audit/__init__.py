"""The audit trail: entries that name each other's digests, and signed checkpoints; pure."""
