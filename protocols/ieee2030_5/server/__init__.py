"""The server of IEEE 2030.5 as a pure role: requests and time in, replies and records out."""
