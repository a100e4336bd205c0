"""Products and rules of the markets as data."""
