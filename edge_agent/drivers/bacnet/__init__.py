"""BACnet/IP devices: building climate, lighting, ventilation, meters and gateways."""
