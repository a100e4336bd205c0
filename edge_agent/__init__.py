"""The agent on a site's gateway."""
