"""Ways to decide who delivers what at a target time, behind one port, and what they are worth."""
