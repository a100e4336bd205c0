"""The client role of IEEE 2030.5 (CSIP), pure: documents, times and chance in, requests out."""
