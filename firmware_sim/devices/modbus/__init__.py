"""Simulated devices with Modbus registers: image, service, and a plain register map."""
