"""Policies from YAML files: one file a tenant. Every error names file, line and field.

Knows nothing of what the fields mean: `policy.py` does.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ValidationError
from ruamel.yaml import YAML
from ruamel.yaml.comments import CommentedMap
from ruamel.yaml.error import MarkedYAMLError, YAMLError

from anchors.values import catalogue
from policies.policy import Budget, Policy, Target

MAX_BYTES = 256 * 1024


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing wrong with a policy file; `line` counts from 1, 0 is the whole; `field` is a dotted path or empty."""

    path: Path
    line: int
    field: str
    message: str

    def __str__(self) -> str:
        place = f"{self.path}:{self.line}: " if self.line else f"{self.path}: "
        return place + (f"{self.field}: {self.message}" if self.field else self.message)


class InvalidPolicies(ValueError):
    """One or more policy files cannot be used; `problems` lists all of them."""

    def __init__(self, problems: list[Problem]) -> None:
        super().__init__("\n".join(str(p) for p in problems))
        self.problems = problems


Rule = Callable[[Policy], Mapping[str, str]]
"""What an operator asks of policies beyond their form: what is wrong, by the target it is wrong with."""


def load_folder(folder: Path, rule: Rule = lambda policy: {}) -> dict[str, Policy]:
    """Every `*.yaml` and `*.yml` in the folder, by tenant. Raises InvalidPolicies with the problems of all files."""
    if not folder.is_dir():
        text = "is a file: give the folder that it lies in" if folder.exists() else "there is no such folder"
        raise InvalidPolicies([Problem(folder, 0, "", text)])
    paths = sorted(p for p in folder.iterdir() if p.suffix in {".yaml", ".yml"})
    if not paths:
        raise InvalidPolicies([Problem(folder, 0, "", "no policy files (*.yaml) here")])
    policies: dict[str, Policy] = {}
    problems: list[Problem] = []
    origin: dict[str, Path] = {}
    for path in paths:
        try:
            policy = load_file(path)
        except InvalidPolicies as error:
            problems += error.problems
            continue
        if policy.tenant in policies:
            text = f"'{policy.tenant}' already has a policy in {origin[policy.tenant]}"
            problems.append(Problem(path, _line_of(_parse(path), ("tenant",)), "tenant", text))
        problems += [_problem_with(path, name, message) for name, message in rule(policy).items()]
        policies[policy.tenant], origin[policy.tenant] = policy, path
    if problems:
        raise InvalidPolicies(problems)
    return policies


def load_file(path: Path) -> Policy:
    """One policy. Raises InvalidPolicies naming file, line and field."""
    document = _parse(path)
    try:
        return Policy.model_validate(_plain(document))
    except ValidationError as error:
        raise InvalidPolicies([_problem(path, document, dict(item)) for item in error.errors()]) from error


def _parse(path: Path) -> CommentedMap:
    try:
        if path.stat().st_size > MAX_BYTES:
            raise InvalidPolicies([Problem(path, 1, "", f"larger than {MAX_BYTES // 1024} KiB")])
        document = YAML(typ="rt").load(path.read_text("utf-8"))
    except UnicodeDecodeError as error:
        raise InvalidPolicies([Problem(path, 1, "", "not UTF-8 text")]) from error
    except OSError as error:
        raise InvalidPolicies([Problem(path, 1, "", error.strerror or "cannot be read")]) from error
    except MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else 1
        raise InvalidPolicies([Problem(path, line, "", f"not valid YAML: {error.problem or error.context}")]) from error
    except YAMLError as error:
        raise InvalidPolicies([Problem(path, 1, "", f"not valid YAML: {error}")]) from error
    if not isinstance(document, CommentedMap):
        kind = "empty" if document is None else f"a {type(document).__name__}"
        raise InvalidPolicies([Problem(path, 1, "", f"expected a mapping with tenant and targets, found {kind}")])
    return document


def _plain(node: Any) -> Any:
    """Round-trip nodes as plain objects: pydantic takes a ruamel scalar for what it is not."""
    if isinstance(node, Mapping):
        return {str(k): _plain(v) for k, v in node.items()}
    if isinstance(node, list):
        return [_plain(v) for v in node]
    for kind in (bool, int, float, str):
        if isinstance(node, kind):
            return kind(node)
    return node


def _problem(path: Path, document: CommentedMap, error: Mapping[str, Any]) -> Problem:
    location = tuple(error["loc"])
    message = str(error["msg"]).removeprefix("Value error, ")
    if error["type"] == "extra_forbidden":
        models: dict[int, type[BaseModel]] = {1: Policy, 3: Target}
        names = models.get(len(location), Budget).model_fields
        near = get_close_matches(str(location[-1]), names, n=1)
        message = "unknown field" + (f"; did you mean '{near[0]}'?" if near else f"; known: {', '.join(names)}")
    elif error["type"] == "missing":
        message = "is required"
    elif message.startswith("unknown value '"):
        location = (*location, message.split("'")[1])
    return Problem(path, _line_of(document, location), ".".join(str(part) for part in location), message)


def _problem_with(path: Path, value: str, message: str) -> Problem:
    document = _parse(path)
    written = next(name for name in document["targets"] if catalogue().resolve(str(name)).id == value)
    return Problem(path, _line_of(document, ("targets", written)), f"targets.{written}", message)


def _line_of(document: CommentedMap, location: tuple[Any, ...]) -> int:
    """The line of the deepest part of `location` that the file has."""
    node: Any = document
    line = 0
    for part in location:
        if not isinstance(node, CommentedMap) or part not in node:
            break
        line, node = node.lc.key(part)[0], node[part]
    return int(line) + 1
