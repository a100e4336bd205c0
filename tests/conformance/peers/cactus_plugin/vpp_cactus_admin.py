"""Plugin of cactus-client: hands each of the suite's instructions to our server's admin door.

Runs in cactus-client's own environment, found by its entry point on PYTHONPATH. The door is
named by VPP_ADMIN_URL.
"""

import dataclasses
import os

import aiohttp
from cactus_client.admin import hookimpl
from cactus_client.model.execution import ActionResult
from cactus_client.sep2 import lfdi_from_cert_file

URL = os.environ["VPP_ADMIN_URL"]


class Plugin:
    """The three hooks."""

    @hookimpl
    async def admin_setup(self, context):  # noqa: ANN001, ANN201 - the suite's types
        """Tell that a procedure begins."""
        return await _post({"event": "setup", "procedure": str(context.test_procedure_id)})

    @hookimpl
    async def admin_teardown(self, context):  # noqa: ANN001, ANN201 - the suite's types
        """Tell that a procedure has ended."""
        return await _post({"event": "teardown", "procedure": str(context.test_procedure_id)})

    @hookimpl
    async def admin_instruction(self, instruction, step, context):  # noqa: ANN001, ANN201 - the suite's types
        """Hand over an instruction."""
        client = context.client_config_for(instruction.client)
        words = {
            key: value if isinstance(value, str | int | float | bool) else str(value)
            for key, value in dataclasses.asdict(client).items()
            if value is not None
        }
        certificate = {"cert_lfdi": lfdi_from_cert_file(client.certificate_file)}
        asked = {
            "event": "instruction",
            "procedure": str(context.test_procedure_id),
            "step": step.source.id,
            "type": str(instruction.type),
            "client": words | certificate,
            "parameters": instruction.parameters,
        }
        return await _post(asked)


async def _post(asked: dict) -> ActionResult:
    async with aiohttp.ClientSession() as session, session.post(URL, json=asked) as reply:
        said = await reply.json()
    if said["result"] == "failed":
        raise RuntimeError(said["reason"])
    return ActionResult.done()


plugin = Plugin()
