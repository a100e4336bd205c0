"""The coordinator's certificate where gateways enrol: renewed in time, shown when it changed."""

import asyncio
from typing import Final

import structlog

from cloud_coordinator.gateway.authority.authority import Authority
from cloud_coordinator.web.enrolment import enrolment_tls, show_certificate
from protocols.vocabulary.errors import ConfigError
from protocols.vocabulary.intervals import Clock

LOOK_S: Final = 5.0

_log = structlog.get_logger(__name__)


class ServerTls:
    """TLS of the enrolment server.

    Parameters
    ----------
    authority : Authority
        Open, so it can issue.

    Attributes
    ----------
    context : ssl.SSLContext
        For the socket.
    """

    def __init__(self, authority: Authority) -> None:
        files = authority.files
        self._authority = authority
        self.context = enrolment_tls(files.server, files.server_key, files.root)
        self._seen = self._stamp()

    async def keep(self, clock: Clock) -> None:
        """Renew and show; until cancelled. The coordinator beside sees the files change too."""
        while True:
            try:
                await asyncio.to_thread(self.look, clock)
            except ConfigError as error:
                _log.warning("certificate.unusable", cause=str(error))
            await asyncio.sleep(LOOK_S)

    def look(self, clock: Clock) -> None:
        """Renew the certificate if it is time, and show one that is new.

        Raises
        ------
        ConfigError
            If a file cannot be used; tried again at the next look.
        """
        now = clock.now()
        if self._authority.server_is_due(at=now):
            made = self._authority.renew_server(at=now)
            _log.info("certificate.renewed", until=made.not_valid_after_utc.isoformat())
        stamp = self._stamp()
        if stamp != self._seen:
            show_certificate(
                self.context, self._authority.files.server, self._authority.files.server_key
            )
            self._seen = stamp

    def _stamp(self) -> tuple[int, ...]:
        paths = (self._authority.files.server, self._authority.files.server_key)
        try:
            return tuple(path.stat().st_mtime_ns for path in paths)
        except OSError:
            return ()
