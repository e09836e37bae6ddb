#!/usr/bin/env python3
"""Writes kio.inc: every message at every version as the Python package kio encodes it (pip install kio==0.6.5).

Kio's classes are generated from Kafka's own message files, so these bytes owe nothing to our tables. The values follow
the rule of tests/kafka/fill.h: each is made from its field's name, so that fields in the wrong order do not compare equal.
For developers; the tests read only what it wrote:  python3 generate.py > kio.inc
"""
import dataclasses
import datetime
import importlib
import io
import typing
import uuid

from kio.schema.errors import ErrorCode
from kio.serial import entity_writer

# Our name, kio's package, first and last version. Kio has no Produce below 3.
APIS = [
    ("Produce", "produce", 3, 11),
    ("Fetch", "fetch", 4, 17),
    ("ListOffsets", "list_offsets", 1, 10),
    ("Metadata", "metadata", 0, 13),
    ("FindCoordinator", "find_coordinator", 0, 6),
    ("ApiVersions", "api_versions", 0, 4),
    ("CreateTopics", "create_topics", 2, 7),
    ("DeleteTopics", "delete_topics", 1, 6),
    ("InitProducerId", "init_producer_id", 0, 5),
]


def name_hash(name):
    """FNV-1a, 32 bits."""
    value = 2166136261
    for byte in name.encode():
        value = ((value ^ byte) * 16777619) & 0xFFFFFFFF
    return value


def scalar(kafka_type, name):
    """What fill.h puts into a field of that name."""
    if kafka_type.startswith(("timedelta", "datetime")):
        name += "_ms"  # kio leaves the unit to the type
    value = name_hash(name)
    return {
        "bool": lambda: bool(value & 1),
        "int8": lambda: value % 128,
        "int16": lambda: value % 88,
        "error_code": lambda: ErrorCode(value % 88),
        "int32": lambda: value >> 1,
        "int64": lambda: value * 1000,
        "timedelta_i32": lambda: datetime.timedelta(milliseconds=value >> 1),
        "datetime_i64": lambda: datetime.datetime.fromtimestamp(value, datetime.timezone.utc),
        "uuid": lambda: uuid.UUID(bytes=value.to_bytes(4, "big") * 4),
        "string": lambda: name,
        "records": lambda: name.encode(),
    }[kafka_type]()


def fill(entity, sparse):
    """All fields set; sparse: null, empty and default wherever the field can be that."""
    values = {}
    hints = typing.get_type_hints(entity)
    for field in dataclasses.fields(entity):
        hint = hints[field.name]
        arguments = typing.get_args(hint)
        nullable = type(None) in arguments
        if nullable:
            hint = next(argument for argument in arguments if argument is not type(None))
        array = typing.get_origin(hint) is tuple
        if array:
            hint = typing.get_args(hint)[0]
        kafka_type = field.metadata.get("kafka_type")
        if sparse and "tag" in field.metadata:
            continue  # its default
        if sparse and nullable and kafka_type not in ("uuid", "datetime_i64"):
            values[field.name] = None  # for those two, None is how kio says zero and -1
        elif sparse and array:
            values[field.name] = ()
        elif dataclasses.is_dataclass(hint):
            value = fill(hint, sparse)
            values[field.name] = (value,) if array else value
        else:
            value = scalar(kafka_type, field.name)
            values[field.name] = (value, value) if array else value
    return entity(**values)


def encoded(package, version, kind, sparse):
    module = importlib.import_module(f"kio.schema.{package}.v{version}.{kind}")
    entity = next(
        value for value in vars(module).values()
        if dataclasses.is_dataclass(value) and value.__module__ == module.__name__ and value.__type__.name == kind)
    buffer = io.BytesIO()
    entity_writer(entity)(buffer, fill(entity, sparse))
    return buffer.getvalue()


def main():
    print("/* kio.inc: written by generate.py; the bytes are those of the Python package kio 0.6.5. */")
    for name, package, first, last in APIS:
        for kind in ("request", "response"):
            for version in range(first, last + 1):
                for sparse in (False, True):
                    text = encoded(package, version, kind, sparse).hex()
                    lines = [text[i:i + 112] for i in range(0, len(text), 112)] or [""]
                    body = "\n".join(f'     "{line}"' for line in lines)
                    print(f'    {{"{name}", {"true" if kind == "request" else "false"}, {version}, '
                          f'{"true" if sparse else "false"},\n{body}}},')


if __name__ == "__main__":
    main()
