"""The site as VEN of an OpenADR 2.0b VTN: sockets, certificates and records around the role."""
