"""``vpp sim site``: one site of devices of every protocol, one agent, and what really happened."""
