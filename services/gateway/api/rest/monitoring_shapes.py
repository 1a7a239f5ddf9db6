"""Shapes of what is told of replicas, changes and statistics."""

from __future__ import annotations

from services.gateway.api.rest.described import (
    Schema,
    Shape,
    array_of,
    json_object,
    nullable,
)
from services.gateway.api.rest.shapes import (
    FILE_ID_EXAMPLE,
    FILE_TYPE,
    FLAG,
    NUMBER,
    SECONDS,
    TEXT,
)

_BLOCKS: Schema = {
    **array_of({"type": "array", "items": NUMBER, "minItems": 2, "maxItems": 2}),
    "description": "Offset and length of each run of bytes that is held, in order.",
}
_PER_STORAGE: Schema = {
    "type": "object",
    "additionalProperties": {
        "type": "object",
        "properties": {
            "physicalSize": nullable(NUMBER),
            "blocks": _BLOCKS,
            "error": {"type": "object", "description": "Why nothing is known of this storage."},
        },
    },
}
_STORAGE_FILES: Schema = {
    "type": "object",
    "additionalProperties": nullable(TEXT),
    "description": "By storage, the storage file; null where there is none.",
}
DISTRIBUTION = json_object(
    {
        "type": FILE_TYPE,
        "distributionPerProvider": {
            "type": "object",
            "additionalProperties": {
                "type": "object",
                "required": ["success", "distributionPerStorage"],
                "properties": {
                    "success": FLAG,
                    "virtualSize": NUMBER,
                    "logicalSize": NUMBER,
                    "distributionPerStorage": _PER_STORAGE,
                    "locationsPerStorage": _STORAGE_FILES,
                },
            },
        },
    },
    {
        "type": "REG",
        "distributionPerProvider": {
            "provider1": {
                "success": True,
                "virtualSize": 100,
                "distributionPerStorage": {"storage1": {"physicalSize": 60, "blocks": [[0, 40], [80, 20]]}},
                "locationsPerStorage": {"storage1": "/space1/9/f/1/9f1b6a"},
            }
        },
    },
    name="Distribution",
)
STORAGE_LOCATIONS = json_object(
    {
        "locationsPerProvider": {
            "type": "object",
            "additionalProperties": {
                "type": "object",
                "required": ["success"],
                "properties": {
                    "success": FLAG,
                    "locationsPerStorage": _STORAGE_FILES,
                    "error": {"type": "object"},
                },
            },
        }
    },
    {
        "locationsPerProvider": {
            "provider1": {"success": True, "locationsPerStorage": {"storage1": "/space1/9/f/1/9f1b6a"}}
        }
    },
    name="StorageLocations",
)

_SECTION: Schema = {
    "type": "object",
    "properties": {
        "fields": array_of(TEXT),
        "always": {"type": "boolean", "description": "Also when another document changed."},
        "exists": {**array_of(TEXT), "description": "Of `customMetadata`: which keys are set."},
    },
}
_CHANGED: Schema = {
    "type": "object",
    "required": ["rev", "mutators", "changed", "deleted", "fields"],
    "properties": {
        "rev": TEXT,
        "mutators": array_of(TEXT),
        "changed": FLAG,
        "deleted": FLAG,
        "fields": {"type": "object"},
        "exists": {"type": "object", "additionalProperties": FLAG},
    },
}
_DOCUMENTS = ("fileMeta", "fileLocation", "times", "customMetadata")
CHANGES_WANTED = json_object(
    {
        "triggers": array_of({"type": "string", "enum": list(_DOCUMENTS)}),
        **dict.fromkeys(_DOCUMENTS, _SECTION),
    },
    {"triggers": ["fileMeta"], "fileMeta": {"fields": ["name", "deleted"]}, "times": {"fields": ["mtime"]}},
    name="ChangesWanted",
    optional=("triggers", *_DOCUMENTS),
)
CHANGE = json_object(
    {
        "fileId": {"type": "string", "description": "Empty when it cannot be told."},
        "filePath": {"type": "string", "description": "Empty when the file is gone."},
        "seq": NUMBER,
        **dict.fromkeys(_DOCUMENTS, _CHANGED),
    },
    {
        "fileId": FILE_ID_EXAMPLE,
        "filePath": "/home/a.txt",
        "seq": 1741,
        "fileMeta": {
            "rev": "5-0f3a",
            "mutators": ["provider1"],
            "changed": True,
            "deleted": False,
            "fields": {"name": "a.txt", "deleted": False},
        },
    },
    name="Change",
    optional=_DOCUMENTS,
)

_RRD = json_object(
    {
        "about": TEXT,
        "meta": json_object(
            {"start": NUMBER, "end": NUMBER, "step": NUMBER, "legend": array_of(TEXT)}
        ).schema,
        "data": {
            **array_of(array_of(nullable({"type": "number"}))),
            "description": "A row for each step, a value for each column of the legend.",
        },
    }
)
STATISTICS = Shape(
    array_of(json_object({"providerId": TEXT, "rrd": {"anyOf": [{"const": ""}, _RRD.schema]}}).schema),
    [
        {
            "providerId": "provider1",
            "rrd": {
                "about": "storage_used of a space, the last value of each step",
                "meta": {
                    "start": 1733000100,
                    "end": 1733000700,
                    "step": 300,
                    "legend": [
                        "space space1; metric storage_used; oneprovider ID provider1; storage_used[bytes]"
                    ],
                },
                "data": [[5.0], [None]],
            },
        }
    ],
)

_WINDOW = json_object(
    {
        "timestamp": SECONDS,
        "value": NUMBER,
        "firstMeasurementTimestamp": nullable(SECONDS),
        "lastMeasurementTimestamp": nullable(SECONDS),
    }
)
DIR_SIZE_STATS = json_object(
    {
        "layout": {"type": "object", "additionalProperties": array_of(TEXT)},
        "slice": {
            "type": "object",
            "additionalProperties": {
                "type": "object",
                "additionalProperties": array_of(_WINDOW.schema),
            },
        },
    },
    {
        "slice": {
            "virtual_size": {
                "hour": [
                    {
                        "timestamp": 1733000400,
                        "value": 123,
                        "firstMeasurementTimestamp": None,
                        "lastMeasurementTimestamp": None,
                    }
                ]
            }
        }
    },
    name="DirSizeStats",
    optional=("layout", "slice"),
)
