"""SunSpec over Modbus: base address, model chain, scale factors, safe order of writes."""
