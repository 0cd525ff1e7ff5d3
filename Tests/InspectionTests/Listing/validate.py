"""Validates JSON documents, one after the other on standard input, against the schema in the file named first. Prints how many
are valid, and on standard error a line for each that is not; the status is then 1.

Members that the schema does not describe are errors here, although the schema as published permits them, so that none is
added without being documented."""

import json
import sys

import jsonschema


def close(schema):
    """Forbids members that are not described, in every object that describes some."""
    if isinstance(schema, dict):
        for member in schema.values():
            close(member)
        if "properties" in schema and schema.get("type") == "object":
            schema["additionalProperties"] = False
    elif isinstance(schema, list):
        for member in schema:
            close(member)


with open(sys.argv[1], encoding="utf-8") as file:
    schema = json.load(file)
jsonschema.Draft202012Validator.check_schema(schema)
close(schema["$defs"])
decoder = json.JSONDecoder()
text = sys.stdin.read().strip()
number, valid = 0, 0
while text:
    document, end = decoder.raw_decode(text)
    text = text[end:].strip()
    # Validated against its own view, so that the message is about its fault, not about all the other views.
    view = document.get("view")
    single = dict(schema, oneOf=[{"$ref": "#/$defs/" + str(view)}]) if view in schema["$defs"] else schema
    error = jsonschema.exceptions.best_match(jsonschema.Draft202012Validator(single).iter_errors(document))
    if error is not None:
        message = error.message[:500].replace("\n", " ")
        print(f"document {number}, {view}, {'/'.join(map(str, error.absolute_path))}: {message}", file=sys.stderr)
    number += 1
    valid += error is None
print(valid)
sys.exit(valid < number)
