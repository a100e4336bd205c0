"""BACnet/IP: tables and what they mean. bacpypes3 owns the bytes; nothing here sends any."""
