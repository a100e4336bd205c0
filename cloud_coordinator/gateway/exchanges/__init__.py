"""Published files and connectors of exchanges, grid companies and the weather service."""
