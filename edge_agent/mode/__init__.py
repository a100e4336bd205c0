"""The fallback table: which mode follows which, pure."""
