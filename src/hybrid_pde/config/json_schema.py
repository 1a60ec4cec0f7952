"""JSON schema of experiment files, by which editors complete and check them.

It accepts the forms that the loader accepts: trainer settings directly in ``trainer_params`` or in
a stage's section, a numerical scheme by its name alone, and the options of the built-in
architectures. Checks across keys and against the data stay with the loader.
"""

import ast
import inspect
import json
import re
import textwrap
from typing import Any

from pydantic import BaseModel
from pydantic.json_schema import GenerateJsonSchema, JsonSchemaValue
from pydantic_core.core_schema import ModelSchema

from hybrid_pde.config.discovery import architecture_options
from hybrid_pde.config.schema import Experiment, NumericsParams

FILE_NAME = "experiment.schema.json"
# first line of an experiment file, read by editors with the YAML language server
EDITOR_LINE = f"# yaml-language-server: $schema={FILE_NAME}"

Json = dict[str, Any]


class DescribedSchema(GenerateJsonSchema):
    """Generator of JSON schemas whose descriptions are the docstrings below the keys.

    Pydantic can read these docstrings itself, but then does so whenever the classes are imported.
    """

    def model_schema(self, schema: ModelSchema) -> JsonSchemaValue:
        """The schema of a section with a description of each key."""
        described = super().model_schema(schema)
        fields = schema["cls"].model_fields
        for name, text in key_docstrings(schema["cls"]).items():
            if key := described["properties"].get(fields[name].alias or name):
                key["description"] = text
        return described


def key_docstrings(section: type[BaseModel]) -> dict[str, str]:
    """The docstring below each key of a section, as one line of Markdown."""
    found: dict[str, str] = {}
    for each in reversed(section.__mro__):
        if issubclass(each, BaseModel) and each is not BaseModel:
            found |= _own_docstrings(each)
    return {name: text for name, text in found.items() if name in section.model_fields}


def described_schema(section: type[BaseModel]) -> Json:
    """JSON schema of a section with descriptions."""
    return section.model_json_schema(schema_generator=DescribedSchema, mode="validation")


def experiment_schema() -> Json:
    """JSON schema of an experiment file."""
    schema = described_schema(Experiment)
    definitions = schema["$defs"]
    training = definitions["TrainerParams"]["properties"]
    stages = [definitions[name]["properties"] for name in ("PhysicalTraining", "SyntheticTraining")]
    flat = {
        key: _either(*[stage[key] for stage in stages if key in stage])
        for key in stages[0] | stages[1]
    }
    definitions["TrainerParams"]["properties"] = flat | training
    numerics = definitions[NumericsParams.__name__]
    scheme = {"description": numerics["description"]} | numerics["properties"]["scheme"]
    physical = definitions["PhysicalModelParams"]["properties"]
    physical["numerics"] = {"anyOf": [scheme, {"$ref": f"#/$defs/{NumericsParams.__name__}"}]}
    definitions["SyntheticModelParams"]["allOf"] = _options_of_architectures()
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **_readable(schema)}


def experiment_schema_text() -> str:
    """The JSON schema of an experiment file as the content of a file."""
    return json.dumps(experiment_schema(), indent=1, ensure_ascii=False) + "\n"


def _options_of_architectures() -> list[Json]:
    """A condition for each architecture: its options are those of its name."""
    rules = []
    for name, options in architecture_options().items():
        given = {"properties": {"name": {"const": name}, "module": False}}
        then = {"properties": {"architecture": described_schema(options)}}
        rules.append({"if": given, "then": then})
    return rules


def _either(physical: Json, *synthetic: Json) -> Json:
    """A key that one or both stages have: either form, with the descriptions of both."""
    if not synthetic or physical == synthetic[0]:
        return physical
    both = {"Calibration": physical, "Surrogate": synthetic[0]}
    forms = [form for each in both.values() for form in each.get("anyOf", [_form(each)])]
    texts = [f"{stage}: {each['description']}" for stage, each in both.items()]
    return {"anyOf": forms, "description": " ".join(texts)}


def _form(key: Json) -> Json:
    return {name: value for name, value in key.items() if name not in ("description", "default")}


def _own_docstrings(section: type[BaseModel]) -> dict[str, str]:
    (tree,) = ast.parse(textwrap.dedent(inspect.getsource(section))).body
    assert isinstance(tree, ast.ClassDef)
    found = {}
    for key, text in zip(tree.body, tree.body[1:], strict=False):
        if (
            isinstance(key, ast.AnnAssign)
            and isinstance(key.target, ast.Name)
            and isinstance(text, ast.Expr)
            and isinstance(text.value, ast.Constant)
        ):
            found[key.target.id] = " ".join(str(text.value.value).split())
    return found


def _readable(node: Any) -> Any:
    """The schema without pydantic's titles, and with the text of links alone.

    Editors show descriptions; the targets of the links are pages of the documentation.
    """
    if isinstance(node, list):
        return [_readable(each) for each in node]
    if not isinstance(node, dict):
        return node
    found = {k: _readable(v) for k, v in node.items() if not (k == "title" and isinstance(v, str))}
    if isinstance(text := found.get("description"), str):
        found["description"] = " ".join(re.sub(r"\[([^]]+)\]\([^)]+\)", r"\1", text).split())
    if "$ref" in found:
        found.pop("default", None)
    return found
