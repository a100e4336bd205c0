"""Resource aggregators that speak another protocol: each is a site of the fleet, spoken to for."""
