"""Points: what is read from devices, with unit, range and greatest age."""
