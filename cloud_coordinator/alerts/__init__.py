"""Rules that watch the fleet, and the alerts they raise. Pure."""
