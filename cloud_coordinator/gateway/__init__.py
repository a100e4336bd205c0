"""The coordinator's end of the link: broker, bus, sessions."""
