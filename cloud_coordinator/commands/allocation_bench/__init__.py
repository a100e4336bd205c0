"""Measures the allocation beside general solvers: fleets, rivals, rounds."""
