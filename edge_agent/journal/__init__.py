"""The append-only record on the gateway's disk."""
