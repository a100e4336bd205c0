"""The gateway's own identity: keys that never leave it, its certificate, whom it trusts."""
