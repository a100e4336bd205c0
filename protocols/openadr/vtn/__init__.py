"""The VTN's role, pure: requests and time in, replies and records out; no sockets."""
