"""One second of the site: read, freeze, predict, constrain, decide, journal, write."""
