"""Files of the live page: package data, served from memory under their own names."""
