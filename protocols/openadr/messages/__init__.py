"""Payloads of OpenADR 2.0b, named as in the profile's schema; one module per service."""
