"""OpenADR 2.0b: payloads, signatures, the event timeline and the roles VEN and VTN."""
