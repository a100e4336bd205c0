"""openleadr's VEN as a program: runs in the Python of ``.peers/der`` and imports nothing of ours.

Usage: ``openleadr_ven.py CONFIGURATION`` (JSON: url, ven_name and, for TLS, cert, key, ca,
vtn_fingerprint; opt: what it answers to events, by name of signal; level_w: what its meter shows
without an event, for with one it shows that one's last value). Prints a JSON line per event it is
given, per message it receives, and per report it sends; ends on SIGTERM or end of input.
"""

import asyncio
import json
import logging
import signal
import sys
from datetime import UTC, datetime, timedelta
from xml.sax.saxutils import escape

from openleadr import OpenADRClient


def say(event: str, **fields: object) -> None:
    sys.stdout.write(json.dumps({"event": event, **fields}, default=str) + "\n")
    sys.stdout.flush()


def told(event: dict) -> dict:
    descriptor = event["event_descriptor"]
    signals = event["event_signals"]
    period = event["active_period"]
    return {
        "event_id": descriptor["event_id"],
        "modification_number": descriptor["modification_number"],
        "status": descriptor["event_status"],
        "priority": descriptor.get("priority"),
        "market_context": descriptor.get("market_context"),
        "comment": descriptor.get("vtn_comment"),
        "response_required": event["response_required"],
        "dtstart": period["dtstart"],
        "duration_s": period["duration"].total_seconds(),
        "period": period,
        "signals": [
            {
                "name": entry["signal_name"],
                "type": entry["signal_type"],
                "current_value": entry.get("current_value"),
                "values": [interval["signal_payload"] for interval in entry["intervals"]],
                "durations_s": [i["duration"].total_seconds() for i in entry["intervals"]],
            }
            for entry in signals
        ],
        "targets": event.get("targets"),
    }


def asked_w(held: dict[str, dict], level_w: float) -> float:
    for event in held.values():
        period = event["active_period"]
        now = datetime.now(UTC)
        if period["dtstart"] <= now < period["dtstart"] + period["duration"]:
            return event["event_signals"][0]["intervals"][-1]["signal_payload"]
    return level_w


async def main(settings: dict) -> None:
    options = {}
    if "cert" in settings:
        options = {
            "cert": settings["cert"],
            "key": settings["key"],
            "ca_file": settings["ca"],
            "check_hostname": False,
            "vtn_fingerprint": settings.get("vtn_fingerprint"),
            "disable_signature": settings.get("unsigned", False),
        }
    client = OpenADRClient(
        ven_name=escape(settings["ven_name"]),  # it writes names into XML as they are
        vtn_url=settings["url"],
        ven_id=settings.get("ven_id"),
        show_fingerprint=False,
        allow_jitter=False,
        **options,
    )
    answers = settings.get("opt", {})

    held: dict[str, dict] = {}

    async def on_event(event: dict) -> str:
        held[event["event_descriptor"]["event_id"]] = event
        answer = answers.get(event["event_signals"][0]["signal_name"], "optIn")
        say("event", answer=answer, **told(event))
        return answer

    async def on_update_event(event: dict) -> str:
        held[event["event_descriptor"]["event_id"]] = event
        answer = answers.get(event["event_signals"][0]["signal_name"], "optIn")
        say("update", answer=answer, **told(event))
        return answer

    count = iter(range(1_000_000))

    async def reading() -> float:
        value = 1000.0 + next(count)
        if "level_w" in settings:
            value = asked_w(held, settings["level_w"])
        say("reading", value=value)
        return value

    client.add_handler("on_event", on_event)
    client.add_handler("on_update_event", on_update_event)
    client.add_hook("after_parse_xml", lambda name, payload: say("message", name=name))
    if settings.get("reports", True):
        client.add_report(
            callback=reading,
            resource_id=escape("battery & 蓄電池"),
            measurement="REAL_POWER",
            report_specifier_id=settings.get("specifier", "telemetry-1"),
            r_id="power-1",
            sampling_rate=timedelta(seconds=1),
        )
    await client.run()
    say("running", ven_id=client.ven_id, registration_id=client.registration_id)
    ended = asyncio.Event()
    loop = asyncio.get_running_loop()
    loop.add_signal_handler(signal.SIGTERM, ended.set)

    async def commands() -> None:
        reader = asyncio.StreamReader()
        await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
        while line := await reader.readline():
            await command(client, json.loads(line))

    listening = asyncio.create_task(commands())
    await ended.wait()
    listening.cancel()
    await client.stop()


async def command(client: OpenADRClient, order: dict) -> None:
    if order["do"] == "cancel_registration":
        await client.cancel_party_registration()
        say("cancelled", registration_id=client.registration_id)
    elif order["do"] == "poll":
        await client._poll()
    elif order["do"] == "request_event":
        name, payload = await client.request_event()
        say("requested", name=name, events=len(payload.get("events", [])))


if __name__ == "__main__":
    logging.basicConfig(stream=sys.stderr, level=logging.INFO)
    asyncio.run(main(json.loads(sys.argv[1])))
