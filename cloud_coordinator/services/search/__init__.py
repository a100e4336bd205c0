"""Searches over a handful of parameters, off the control path: NSGA-III, a swarm, a policy."""
