"""Writes the generated parts of the documentation: ``python docs/write_reference.py``.

``reference.md`` and ``config/experiment.schema.json`` come from the experiment's schema. The part
of ``workflow.md`` between the two marks comes from the rules and the docstrings of their programs.
"""

import ast
import json
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from pydantic import BaseModel

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "src"))

from hybrid_pde.config.discovery import (  # noqa: E402
    architecture_options,
    built_in_equations,
)
from hybrid_pde.config.equations import ParameterSpec  # noqa: E402
from hybrid_pde.config.json_schema import (  # noqa: E402
    FILE_NAME,
    described_schema,
    experiment_schema_text,
)
from hybrid_pde.config.schema import Experiment, SharedTraining  # noqa: E402

DOCS = ROOT / "docs"
STAGES = (
    "simulate",
    "cache",
    "calibrate",
    "train_physical",
    "augment",
    "train_synthetic",
    "guide",
    "hybrid",
    "reuse",
    "evaluate",
    "report",
)
MARKS = ("<!-- stages: written by docs/write_reference.py -->", "<!-- end of stages -->")
SHARED = set(SharedTraining.model_fields)
# Keys with several kinds of section, each with its own table; other kinds are explained in the
# key's meaning.
KINDS = {"parametrization", "initial_condition"}
ARCHITECTURE = "model.synthetic.architecture"
INTRODUCTION = """# Every key of an experiment

Look up here what a key means, which values it takes, and what its default is.
[experiment.md](experiment.md) explains how to write an experiment. This page is written by
`python docs/write_reference.py`; do not edit it.
"""

Json = dict[str, Any]
Keys = dict[str, tuple[str, str, str]]  # type, default and meaning of each key


def reference() -> str:
    """The text of ``reference.md``."""
    parts = [INTRODUCTION]
    for section, keys in sections().items():
        parts.append(f"## {_title(section)}\n")
        if section == "trainer_params":
            parts.append(
                "These apply to both models; `trainer_params.physical` and "
                "`trainer_params.synthetic` may override them.\n"
            )
        rows = [(f"`{key}`", *description) for key, description in keys.items()]
        parts.append(table(("Key", "Type", "Default", "Meaning"), rows))
    parts += _equations()
    return "\n".join(parts)


def _title(section: str) -> str:
    before, _, last = section.rpartition(".")
    if before == ARCHITECTURE:
        return f"`{before}` of `{last}`"
    if before.rpartition(".")[2] in KINDS:
        return f"`{before}` with `type: {last}`"
    return f"`{section}`" if section else "At the top"


def sections() -> dict[str, Keys]:
    """Every key by section; ``""`` holds the keys without a section."""
    found: dict[str, Keys] = {"": {}}
    for section, keys in _sections_of(Experiment, ""):
        found.setdefault(section, {}).update(keys)
    del found["trainer_params"]["physical"], found["trainer_params"]["synthetic"]
    for stage in ("physical", "synthetic"):
        own = found[f"trainer_params.{stage}"]
        found[f"trainer_params.{stage}"] = {k: v for k, v in own.items() if k not in SHARED}
    found[""] = {key: value for key, value in found[""].items() if key not in found}
    options: dict[str, Keys] = {}
    for name, options_of in architecture_options().items():
        options |= dict(_sections_of(options_of, f"{ARCHITECTURE}.{name}"))
    order = list(found)
    place = order.index("model.synthetic") + 1
    order[place:place] = options
    return {section: (found | options)[section] for section in order if (found | options)[section]}


def table(titles: tuple[str, ...], rows: list[tuple[str, ...]]) -> str:
    """A Markdown table."""
    lines = [titles, tuple("---" for _ in titles), *rows]
    return "".join(
        f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in line)} |\n" for line in lines
    )


def stages() -> str:
    """The section of ``workflow.md`` on the rules."""
    return "\n".join(stage_section(stage) for stage in STAGES)


def stage_section(stage: str) -> str:
    """Purpose, outputs and resources of one rule."""
    program = ROOT / "workflow" / "scripts" / f"{stage}.py"
    text = ast.get_docstring(ast.parse(program.read_text(encoding="utf-8")))
    rule = (ROOT / "workflow" / "rules" / f"{stage}.smk").read_text(encoding="utf-8")
    asked = [
        re.search(pattern, rule)
        for pattern in (
            r"threads: (\d+)",
            r"mem_mb=per_attempt\((\d+)\)",
            r"runtime=per_attempt\((\d+)\)",
        )
    ]
    threads, memory, runtime = (found[1] for found in asked if found)
    cores = f"{threads} cores" if threads != "1" else "1 core"
    outputs = "".join(f"- `{path}`\n" for path in rule_outputs(rule))
    return (
        f"### {stage}\n\n{text}\n\nWrites\n\n{outputs}\n"
        f"Asks for at most {cores}, {memory} MB and {runtime} minutes; every retry adds the same "
        "memory and time again.\n"
    )


def rule_outputs(rule: str) -> list[str]:
    """Output paths of a rule, with its wildcards; not the captions of Snakemake's report."""
    block = re.search(r"\n    output:\n((?: {8}.*\n)+)", rule)
    texts = re.findall(r'"([^"]+)"', block[1]) if block else []
    return [text for text in texts if "/" in text and not text.endswith(".rst")]


def workflow_page() -> str:
    """The text of ``workflow.md`` with the current rules."""
    text = (DOCS / "workflow.md").read_text(encoding="utf-8")
    before, rest = text.split(MARKS[0])
    after = rest.split(MARKS[1])[1]
    return f"{before}{MARKS[0]}\n\n{stages()}\n{MARKS[1]}{after}"


def _sections_of(model: type[BaseModel], prefix: str) -> Iterator[tuple[str, Keys]]:
    schema = described_schema(model)
    yield from _walk(schema, schema.get("$defs", {}), prefix)


def _walk(schema: Json, definitions: Json, section: str) -> Iterator[tuple[str, Keys]]:
    keys, nested = {}, []
    for key, value in schema["properties"].items():
        default = _default(key, value, schema)
        keys[key] = (_type(value, definitions), default, value.get("description", ""))
        dotted = f"{section}.{key}" if section else key
        parts = list(_objects_in(value, definitions))
        if len(parts) == 1:
            nested.append((dotted, parts[0]))
        elif key in KINDS:
            nested += [(f"{dotted}.{part['properties']['type']['const']}", part) for part in parts]
    yield section, keys
    for dotted, part in nested:
        yield from _walk(part, definitions, dotted)


def _objects_in(value: Json, definitions: Json) -> Iterator[Json]:
    if "$ref" in value:
        yield definitions[value["$ref"].rsplit("/", 1)[1]]
    parts = [*value.get("anyOf", []), *value.get("oneOf", [])]
    inner = [value[key] for key in ("items", "additionalProperties") if key in value]
    for part in [*parts, *(each for each in inner if isinstance(each, dict))]:
        yield from _objects_in(part, definitions)


def _type(value: Json, definitions: Json) -> str:
    if "anyOf" in value or "oneOf" in value:
        parts = value.get("anyOf") or value["oneOf"]
        return " or ".join(
            dict.fromkeys(_type(part, definitions) for part in parts if part.get("type") != "null")
        )
    if "$ref" in value:
        return "section"
    if "enum" in value or "const" in value:
        return ", ".join(f"`{each}`" for each in value.get("enum", [value.get("const")]))
    kind = value.get("type")
    if kind == "array":
        if "prefixItems" in value:
            return f"pair: {_type(value['prefixItems'][0], definitions)}"
        return f"list: {_type(value['items'], definitions)}"
    if kind == "object":
        inner = value.get("additionalProperties")
        return f"name: {_type(inner, definitions)}" if inner is not True else "mapping"
    if kind in {"integer", "number"}:
        return ("whole number" if kind == "integer" else "number") + _range(value)
    return {"string": "text", "boolean": "`true` or `false`"}.get(kind or "", "see the meaning")


def _range(value: Json) -> str:
    lower = {"minimum": " from {}", "exclusiveMinimum": " above {}"}
    upper = {"maximum": " to {}", "exclusiveMaximum": " below {}"}
    return "".join(
        text.format(f"{value[key]:.10g}")
        for key, text in {**lower, **upper}.items()
        if key in value
    )


def _default(key: str, value: Json, schema: Json) -> str:
    if key in schema.get("required", []):
        return "required"
    if "$ref" in value or ("default" not in value):
        return ""
    default = value["default"]
    if default is None or default in ("", [], {}):
        return ""
    if isinstance(default, dict) and "type" in default:
        return f"`{{type: {default['type']}}}`"
    text = default if isinstance(default, str) else json.dumps(default)
    return f"`{text.replace(chr(34), '')}`"


def _equations() -> list[str]:
    """The built-in equations, and their parameters and options."""
    equations, parameters = [], []
    for spec in built_in_equations().values():
        roles = (
            f"`{role.name}`{' (vector)' * role.is_vector}{' (optional)' * role.is_optional}"
            for role in spec.fields
        )
        equations.append((f"`{spec.name}`", spec.formula, ", ".join(roles)))
        parameters += [
            (f"`{spec.name}`", f"`{name}`", parameter.unit, _initial(parameter), _kind(parameter))
            for name, parameter in spec.parameters.items()
        ]
        parameters += [
            (f"`{spec.name}`", f"`{name}`", "", f"`{json.dumps(default)}`", "`true` or `false`")
            for name, default in spec.options.items()
        ]
    return [
        "## Equations\n",
        "A data field fills the role of the same name, else the next free role in order; an "
        "optional role is filled only by the field of the same name. A vector has one component "
        "for each axis.\n",
        table(("`model.physical.name`", "Equation", "Fields"), equations),
        "## Parameters of the equations\n",
        "Keys of `model.physical.pde_params`, and names of learnable and known parameters. A "
        "`true` or `false` option selects a form of the equation and is not learned. One number "
        "for a parameter with a number for each axis applies to all axes. A field has a value at "
        "every point: it is [learned with a parametrization]"
        "(experiment.md#parameters-that-are-fields) or "
        "[known from the data](data.md#known-parameters).\n",
        table(("`model.physical.name`", "Parameter", "Unit", "Default", "Value"), parameters),
    ]


def _initial(parameter: ParameterSpec) -> str:
    default = parameter.default
    if default is None:
        return "required"
    return f"`{[*default]}`" if isinstance(default, tuple) else f"`{default:g}`"


def _kind(parameter: ParameterSpec) -> str:
    """Allowed values of a parameter, e.g. ``a number from 0, or a field``."""
    if parameter.components:
        return f"list: {', '.join(parameter.components)}"
    number = "a number for each axis" if parameter.per_axis else "a number"
    return f"{number}{' from 0' * parameter.positive}{', or a field' * parameter.is_field}"


if __name__ == "__main__":
    (DOCS / "reference.md").write_text(reference(), encoding="utf-8")
    (ROOT / "config" / FILE_NAME).write_text(experiment_schema_text(), encoding="utf-8")
    (DOCS / "workflow.md").write_text(workflow_page(), encoding="utf-8")
