"""OCPP tables and meaning: profiles, measurands, limits. The ocpp package owns the wire."""
