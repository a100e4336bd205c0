"""The aggregator's day: forecast, bid, award, obligation, delivery, assessment, statement."""
