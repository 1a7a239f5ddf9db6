"""QoS parameters of storages as they travel."""

from __future__ import annotations

from collections.abc import Mapping

from isthmus.zone.v1 import storages_pb2


def qos_to_proto(parameters: Mapping[str, str | float]) -> storages_pb2.QosParameters:
    """Texts and numbers by name."""
    values = {
        name: storages_pb2.QosValue(text=value)
        if isinstance(value, str)
        else storages_pb2.QosValue(number=value)
        for name, value in parameters.items()
    }
    return storages_pb2.QosParameters(values=values)


def qos_from_proto(parameters: storages_pb2.QosParameters) -> dict[str, str | float]:
    """The same back; one without a value is an empty text."""
    return {
        name: value.number if value.HasField("number") else value.text
        for name, value in parameters.values.items()
    }
