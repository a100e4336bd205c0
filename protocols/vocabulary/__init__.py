"""The shared nouns: ids, intervals, resource, measurement, envelope, obligation, offer."""
