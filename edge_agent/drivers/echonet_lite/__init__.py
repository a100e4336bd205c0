"""ECHONET Lite: a site's devices on UDP 3610, and the gateway's own node."""
