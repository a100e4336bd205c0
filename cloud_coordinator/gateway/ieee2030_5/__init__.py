"""The coordinator's IEEE 2030.5 server on real sockets: thin around the pure role."""
