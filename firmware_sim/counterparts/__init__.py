"""Counterparts of the market: exchanges, grid companies, the weather service, as servers."""
