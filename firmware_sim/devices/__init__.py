"""Physics wearing a codec: simulated devices that speak a real wire protocol."""
