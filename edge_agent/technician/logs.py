"""Where events go: standard error, so that standard output is the command's own."""

import logging
import sys

import structlog


def configure_logging(level: int = logging.WARNING) -> None:
    """Send events from a level on to standard error: JSON lines, or colours on a terminal."""
    renderer: structlog.types.Processor = structlog.processors.JSONRenderer()
    if sys.stderr.isatty():
        renderer = structlog.dev.ConsoleRenderer()
    structlog.configure(
        processors=[
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            renderer,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
    )
