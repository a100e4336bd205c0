"""``vpp demo``: a whole virtual power plant as processes, cut, killed, and measured."""
