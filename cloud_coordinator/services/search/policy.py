"""A trained actor, given as an ONNX file's bytes, and its contract in the file's own metadata.

Trained off-line by :mod:`models.training.actor_critic`. onnxruntime is imported when the first
policy is opened.
"""

import json
from dataclasses import dataclass
from typing import Final

import numpy as np

from models.contract import POLICY_METADATA_KEY, POLICY_VERSION
from protocols.vocabulary.arrays import FloatArray
from protocols.vocabulary.errors import ConfigError

MODEL_BYTES_MAX: Final = 1_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class PolicyContract:
    """What a policy promises.

    Attributes
    ----------
    policy_id : str
        Name and version.
    observations, actions : tuple of str
        Names, with units, of the columns in and out; actions lie in -1 ... 1.
    seed, steps : int
        With which it was trained, and on how many steps.
    """

    policy_id: str
    observations: tuple[str, ...]
    actions: tuple[str, ...]
    seed: int
    steps: int


class Policy:
    """An actor that is ready to act, on one thread.

    Parameters
    ----------
    model : bytes
        An ONNX file.

    Raises
    ------
    ConfigError
        If it is no model, has no contract, or differs from its contract.
    """

    def __init__(self, model: bytes) -> None:
        import onnxruntime  # noqa: PLC0415  21 MB that a coordinator without a policy need not load
        from onnxruntime.capi import onnxruntime_pybind11_state as states  # noqa: PLC0415  as above

        if len(model) > MODEL_BYTES_MAX:
            raise ConfigError(f"policy: {len(model):,} bytes, at most {MODEL_BYTES_MAX:,}")
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1
        options.inter_op_num_threads = 1
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        options.log_severity_level = 4
        try:
            session = onnxruntime.InferenceSession(
                model, options, providers=["CPUExecutionProvider"]
            )
        except (states.Fail, states.InvalidArgument, states.InvalidGraph, states.InvalidProtobuf,
                states.NotImplemented, states.RuntimeException) as error:  # fmt: skip
            raise ConfigError(f"policy: not a model that can be run: {error}") from error
        self.contract = _contract(session.get_modelmeta().custom_metadata_map)
        self._session = session
        inputs, outputs = session.get_inputs(), session.get_outputs()
        told = [(one.name, one.shape[-1:]) for one in (*inputs, *outputs)]
        wanted = [
            ("observation", [len(self.contract.observations)]),
            ("action", [len(self.contract.actions)]),
        ]
        if told != wanted:
            raise ConfigError(f"policy: tensors {told}, the contract says {wanted}")

    def act(self, observation: FloatArray) -> FloatArray:
        """Choose actions.

        Parameters
        ----------
        observation : FloatArray
            Shape (n, o), in the order and units of the contract.

        Returns
        -------
        FloatArray
            Shape (n, a), -1 ... 1; 0 where the actor answers no number.
        """
        given = {"observation": observation.astype(np.float32)}
        (action,) = self._session.run(["action"], given)
        found = np.nan_to_num(np.asarray(action, dtype=np.float64), nan=0.0)
        return np.clip(found, -1.0, 1.0)


def _contract(metadata: dict[str, str]) -> PolicyContract:
    text = metadata.get(POLICY_METADATA_KEY)
    if text is None:
        raise ConfigError(f"policy: no {POLICY_METADATA_KEY!r} in its metadata")
    try:
        plain = json.loads(text)
        if plain["version"] != POLICY_VERSION:
            raise ConfigError(f"policy: contract version {plain['version']!r} is not known")
        return PolicyContract(
            policy_id=str(plain["policy_id"]),
            observations=tuple(str(one) for one in plain["observations"]),
            actions=tuple(str(one) for one in plain["actions"]),
            seed=int(plain["seed"]),
            steps=int(plain["steps"]),
        )
    except (KeyError, TypeError, ValueError) as error:
        raise ConfigError(f"policy: its contract cannot be read: {error!r}") from error
