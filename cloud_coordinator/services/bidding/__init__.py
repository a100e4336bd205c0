"""From forecasts and capability to bids: strategies behind one port, and what they are worth."""
