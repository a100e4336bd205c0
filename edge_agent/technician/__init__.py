"""The technician's command line."""
