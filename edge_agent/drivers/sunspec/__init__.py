"""Devices behind Modbus: SunSpec models, and plain register maps from templates."""
