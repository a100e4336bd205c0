"""The role VEN of OpenADR 2.0b, pure: payloads and time in, payloads and records out."""
