"""LINE's OpenAPI files as validators that look inside polymorphic objects.

The files describe polymorphism by `discriminator.mapping`, which JSON Schema ignores: a plain validator accepts a text
message without text. Each such base is therefore rewritten to a chain of if/then over its discriminator.
"""

from __future__ import annotations

import copy
from functools import cache
from pathlib import Path
from typing import Any

import yaml
from jsonschema import Draft202012Validator
from jsonschema.exceptions import ValidationError

from simulator.line.errors import LineError, bad_property

_FOLDER = Path(__file__).parent.parent / "openapi"
_LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
Schema = dict[str, Any]


def _ref(name: str) -> Schema:
    return {"$ref": f"#/components/schemas/{name}"}


def rewrite_discriminators(schemas: dict[str, Schema]) -> dict[str, Schema]:
    """Return the schemas with every discriminator turned into if/then."""
    done = copy.deepcopy(schemas)
    for name, schema in schemas.items():
        mapping = schema.get("discriminator", {}).get("mapping")
        if mapping:
            _rewrite(done, name, schema["discriminator"]["propertyName"], mapping)
    return done


def _rewrite(schemas: dict[str, Schema], name: str, key: str, mapping: dict[str, str]) -> None:
    base = copy.deepcopy(schemas[name])
    del base["discriminator"]
    schemas[f"{name}__base"] = base
    branches = []
    for value, target in mapping.items():
        child = target.rpartition("/")[2]
        for part in schemas[child].get("allOf", ()):
            if part.get("$ref") == f"#/components/schemas/{name}":
                part["$ref"] = f"#/components/schemas/{name}__base"
        branches.append(
            {"if": {"properties": {key: {"const": value}}, "required": [key]}, "then": _ref(child)},
        )
    schemas[name] = {
        "type": "object",
        "required": [key],
        "properties": {key: {"enum": list(mapping)}},
        "allOf": branches,
    }


@cache
def _schemas(file: str) -> dict[str, Schema]:
    content = yaml.load((_FOLDER / file).read_text(encoding="utf-8"), Loader=_LOADER)
    return rewrite_discriminators(content["components"]["schemas"])


@cache
def validator(schema: str, file: str = "messaging-api.yml") -> Draft202012Validator:
    """Return the compiled validator of one schema, such as `PushMessageRequest`."""
    return Draft202012Validator({"components": {"schemas": _schemas(file)}, **_ref(schema)})


@cache
def messages_validator() -> Draft202012Validator:
    """Return the validator of a `messages` array of one to five message objects."""
    array = {"type": "array", "minItems": 1, "maxItems": 5, "items": _ref("Message")}
    return Draft202012Validator({"components": {"schemas": _schemas("messaging-api.yml")}, **array})


def _leaf(error: ValidationError) -> ValidationError:
    while error.context:
        error = max(error.context, key=lambda each: len(each.absolute_path))
    return error


def path_of(root: str, parts: Any) -> str:
    """Write a place as LINE does: `messages[0].template.text`."""
    text = root
    for part in parts:
        text += f"[{part}]" if isinstance(part, int) else f".{part}" if text else str(part)
    return text


def _detail(error: ValidationError, root: str) -> tuple[str, str]:
    where = path_of(root, error.absolute_path)
    rule: Any = error.validator
    bound: Any = error.validator_value
    limits: Any = error.schema
    value: Any = error.instance
    if rule == "required":
        missing = next(name for name in bound if name not in value)
        return "May not be empty", path_of(where, [missing])
    if rule in ("enum", "const"):
        values = bound if isinstance(bound, list) else [bound]
        return f"Must be one of the following values: [{', '.join(map(str, values))}]", where
    if rule in ("minItems", "maxItems"):
        return f"Size must be between {limits.get('minItems', 0)} and {limits.get('maxItems')}", where
    if rule in ("minLength", "maxLength"):
        return f"Length must be between {limits.get('minLength', 0)} and {limits.get('maxLength')}", where
    if rule == "minimum":
        return f"must be greater than or equal to {bound}", where
    if rule == "maximum":
        return f"must be less than or equal to {bound}", where
    return "invalid property", where


def schema_errors(check: Draft202012Validator, value: Any, root: str = "") -> list[tuple[str, str]]:
    """Return what is wrong as (LINE's message, place), empty when nothing is.

    Raises:
        LineError: LINE refuses a value of the wrong JSON type before it looks at anything else.
    """
    found: dict[tuple[str, str], None] = {}
    for error in check.iter_errors(value):
        leaf = _leaf(error)
        if leaf.validator == "type":
            raise bad_property(path_of(root, leaf.absolute_path))
        found[_detail(leaf, root)] = None
    return list(found)


def require_valid(schema: str, value: Any, file: str = "messaging-api.yml") -> None:
    """Check a whole request body.

    Raises:
        LineError: 400 with LINE's details.
    """
    problems = schema_errors(validator(schema, file), value)
    if problems:
        listed = [{"message": message, "property": where} for message, where in problems]
        raise LineError(400, f"The request body has {len(listed)} error(s)", listed)
