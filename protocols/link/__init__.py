"""Our edge to cloud protocol: versioned messages, sequence, acknowledgement, resume."""
