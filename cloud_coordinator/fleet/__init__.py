"""Every resource as a struct of arrays."""
