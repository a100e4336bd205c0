"""openleadr's VTN as a program: commands as JSON lines in, what it saw as JSON lines out.

Runs in the peers' own environment. argv[1]: JSON of port, poll_s and, for TLS, cert, key, ca and
the VEN's fingerprint.
"""

import asyncio
import json
import sys
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

from openleadr import OpenADRServer, objects

SETTINGS = json.loads(sys.argv[1])
KNOWN: dict[str, dict[str, str]] = {}


def say(event: str, **fields: object) -> None:
    sys.stdout.write(json.dumps({"event": event, **fields}, default=str) + "\n")
    sys.stdout.flush()


async def on_register(payload: dict) -> tuple[str, str]:
    ven_id = payload.get("ven_id") or "ven-1"
    registration = payload.get("registration_id") or "registration-1"
    KNOWN[ven_id] = {
        "ven_id": ven_id,
        "registration_id": registration,
        "ven_name": payload["ven_name"],
        "fingerprint": payload.get("fingerprint"),
    }
    say("registered", ven_id=ven_id, ven_name=payload["ven_name"], payload=payload)
    return ven_id, registration


async def on_report(  # noqa: PLR0917 - the library's own signature
    ven_id: str,
    resource_id: str,
    measurement: str,
    unit: str,
    scale: str,
    min_sampling_interval: timedelta,
    max_sampling_interval: timedelta,
) -> tuple[Callable[[list[tuple[datetime, float]]], None], timedelta] | None:
    say("offered", resource_id=resource_id, measurement=measurement, unit=unit, scale=scale)
    if measurement == "Status":
        return None  # asked for, it fails with HTTP 500 on every report of a status
    every = timedelta(seconds=SETTINGS["report_s"])

    def taken(values: list[tuple[datetime, float]]) -> None:
        say("values", resource_id=resource_id, values=[[str(at), value] for at, value in values])

    return taken, every


async def on_event(ven_id: str, event_id: str, opt_type: str) -> None:
    say("responded", ven_id=ven_id, event_id=event_id, opt_type=opt_type)


async def on_cancel(payload: dict) -> tuple[str, dict]:
    say("cancelled_registration", payload=payload)
    return "oadrCanceledPartyRegistration", {
        "response": {"response_code": 200, "request_id": payload["request_id"]},
        "registration_id": payload["registration_id"],
    }


def made_event(command: dict) -> objects.Event:
    start = datetime.fromisoformat(command["start"])
    at = start
    intervals = []
    for seconds, value in command["intervals"]:
        intervals.append(
            objects.Interval(dtstart=at, duration=timedelta(seconds=seconds), signal_payload=value)
        )
        at += timedelta(seconds=seconds)
    return objects.Event(
        event_descriptor=objects.EventDescriptor(
            event_id=command["event_id"],
            modification_number=command.get("modification", 0),
            market_context="http://東京.example/dr",
            event_status="near",
            created_date_time=datetime.now(UTC),
            priority=command.get("priority", 0),
        ),
        active_period=objects.ActivePeriod(dtstart=start, duration=at - start),
        event_signals=[
            objects.EventSignal(
                intervals=intervals,
                signal_name=command.get("signal_name", "SIMPLE"),
                signal_type=command.get("signal_type", "level"),
                signal_id="0",
            )
        ],
        targets=[{"ven_id": command["ven_id"]}],
        response_required="always",
    )


def obey(server: OpenADRServer, command: dict) -> None:
    match command["do"]:
        case "add":
            server.add_raw_event(command["ven_id"], made_event(command), callback=on_event)
        case "modify":
            events = server.events[command["ven_id"]]
            for place, event in enumerate(events):
                if event.event_descriptor.event_id == command["event_id"]:
                    events[place] = made_event(command)
            server.event_callbacks[command["event_id"]] = (None, on_event)
            server.events_updated[command["ven_id"]] = True
        case "cancel":
            server.event_callbacks[command["event_id"]] = (None, on_event)
            server.cancel_event(command["ven_id"], command["event_id"])
        case "omit":
            server.events[command["ven_id"]][:] = [
                one
                for one in server.events[command["ven_id"]]
                if one.event_descriptor.event_id != command["event_id"]
            ]
            server.events_updated[command["ven_id"]] = True
        case "forget":
            KNOWN.clear()
    say("obeyed", do=command["do"])


def lookup(ven_id: str) -> dict[str, str] | None:
    return KNOWN.get(ven_id)


async def main() -> None:
    tls = {}
    if "cert" in SETTINGS:
        tls = {
            "cert": SETTINGS["cert"],
            "key": SETTINGS["key"],
            "http_cert": SETTINGS["cert"],
            "http_key": SETTINGS["key"],
            "http_ca_file": SETTINGS["ca"],
        }
    server = OpenADRServer(
        vtn_id="vtn-Lower",
        http_host=SETTINGS["host"],
        http_port=SETTINGS["port"],
        requested_poll_freq=timedelta(seconds=1),
        ven_lookup=lookup,
        show_fingerprint=False,
        **tls,
    )
    server.add_handler("on_create_party_registration", on_register)
    server.add_handler("on_register_report", on_report)
    server.add_handler("on_cancel_party_registration", on_cancel)
    await server.run()
    say("listening")
    loop = asyncio.get_running_loop()
    while line := await loop.run_in_executor(None, sys.stdin.readline):
        obey(server, json.loads(line))


asyncio.run(main())
