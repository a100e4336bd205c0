"""Types of the scenario's values: bounds catch a number written in another unit."""

import ipaddress
from datetime import datetime, timedelta
from typing import Annotated

from pydantic import AfterValidator, Field

from protocols.templates.catalogue import template_of
from protocols.vocabulary.errors import ConfigError
from protocols.vocabulary.identifiers import checked_name

Watts = Annotated[float, Field(ge=50.0, le=100_000.0)]
WattHours = Annotated[float, Field(ge=100.0, le=1_000_000.0)]
Share = Annotated[float, Field(ge=0.0, le=1.0)]
Efficiency = Annotated[float, Field(gt=0.0, le=1.0)]
Count = Annotated[float, Field(ge=0.0)]


def _name(value: str) -> str:
    """Id that can be a topic level and a file name."""
    try:
        return checked_name(value, "id")
    except ConfigError as error:
        raise ValueError(str(error)) from None


def _loopback(value: str) -> str:
    """Address of this machine only: simulated devices never leave it."""
    try:
        address = ipaddress.IPv4Address(value)
    except ValueError:
        raise ValueError(f"{value!r} is no IPv4 address") from None
    if not address.is_loopback:
        raise ValueError(f"{value} is not in 127.0.0.0/8; simulated devices stay on loopback")
    return value


def _group(value: str) -> str:
    """IPv4 multicast group."""
    try:
        address = ipaddress.IPv4Address(value)
    except ValueError:
        raise ValueError(f"{value!r} is no IPv4 address") from None
    if not address.is_multicast:
        raise ValueError(f"{value} is no multicast group (224.0.0.0/4)")
    return value


def _aware(value: datetime) -> datetime:
    """Time in UTC."""
    if value.utcoffset() != timedelta(0):
        raise ValueError("use UTC with a Z, for example 2026-07-22T01:00:00Z")
    return value


def _eoj(value: str) -> str:
    """Six hexadecimal digits."""
    if len(value) != 6 or not all(digit in "0123456789ABCDEF" for digit in value):  # noqa: PLR2004 - 3 bytes
        raise ValueError(f"EOJ {value!r}: use six hexadecimal digits such as 027D01")
    return value


def _template(value: str) -> str:
    """Id of a template that there is."""
    try:
        return template_of(value).template_id
    except ConfigError as error:
        raise ValueError(str(error)) from None


Name = Annotated[str, AfterValidator(_name)]
Address = Annotated[str, AfterValidator(_loopback)]
Group = Annotated[str, AfterValidator(_group)]
Moment = Annotated[datetime, AfterValidator(_aware)]
EojText = Annotated[str, AfterValidator(_eoj)]
TemplateId = Annotated[str, AfterValidator(_template)]
