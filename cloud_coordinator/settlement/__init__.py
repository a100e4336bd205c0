"""What was promised, delivered and is owed. Pure."""
