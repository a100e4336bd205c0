"""REST, live updates and the page."""
