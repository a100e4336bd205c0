"""The coordinator's VEN toward a TSO (簡易指令システム), another aggregator or a utility."""
