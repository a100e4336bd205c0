"""OCCTO plans: documents between a balancing group and the system of OCCTO, both directions."""
