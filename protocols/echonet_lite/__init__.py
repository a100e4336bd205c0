"""ECHONET Lite: frames, node profile and property table, in the specification's own signs."""
