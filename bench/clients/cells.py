"""How a Python client reports its cells. Knows nothing of any API."""

import json
import traceback
from collections.abc import Callable

CASES = ("text", "tools", "schema", "n2", "image", "refusal", "error", "disconnect")
ARGUMENTS = '{"a": 1}'
TEXT = "A calm answer to all of it."
ADVICE = '{"advice": "Help her."}'
PIXEL = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
SCHEMA = {
    "type": "object",
    "properties": {"advice": {"type": "string"}},
    "required": ["advice"],
    "additionalProperties": False,
}
PARAMETERS = {"type": "object", "properties": {"a": {"type": "integer"}}}


def question(case: str, *tag: str) -> str:
    """The question that asks the scripted upstream for a case; the tag names the cell."""
    return f"Should I help her? case:{case} tag:{'/'.join(tag)}"


def cell(row: str, delivery: str, case: str, work: Callable[[], object]) -> None:
    """Run one cell: the work asserts what it must see; a string that it returns is why the cell does not apply."""
    try:
        found = work()
        why = found if isinstance(found, str) else ""
        result = {"ok": not why, "why": why}
    except Exception:
        result = {"ok": False, "why": "", "failure": traceback.format_exc()}
    print(json.dumps({"row": row, "delivery": delivery, "case": case} | result), flush=True)


def raises(kind: type[BaseException], work: Callable[[], object], text: str = "") -> None:
    """The work must raise that, saying the text."""
    said = None
    try:
        work()
    except kind as error:
        said = str(error)
    assert said is not None, f"no {kind.__name__}"
    assert text in said, said
