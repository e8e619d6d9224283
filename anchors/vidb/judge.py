"""A language model as judge of windows: the prompt, the asking, and going on where it stopped.

Knows windows and a `Complete` that somebody hands in; nothing of where the model runs or what it costs.
"""

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence

from anchors.values import Value
from anchors.vidb.rankings import Judged, parse_sheet
from anchors.vidb.texts import BrokenSet, VidbText
from anchors.vidb.windows import MARKERS, Window, sheet

Complete = Callable[[str], Awaitable[str]]
"""One prompt in, one answer out."""

INSTRUCTIONS = f"""Order the texts of the window below by how strongly each expresses the value, most in favour first.
Put the five marker cards into the same order: {"; ".join(f"{n} = {words}" for n, (_, words) in enumerate(MARKERS.values(), 1))}.
Judge outlook: what a text weighs, recommends, waves away or takes for granted with regard to this value as defined.
Not tone, politeness, length or topic, and not whether you agree. Mean irony as it is meant. A text that does not touch
the value at all stands next to card 3 and is also named after "off". The cards stand in the order 5 4 3 2 1.
Answer with one line of this form and nothing else, every letter and every card exactly once:
WINDOW: 5 C A 4 H 3 B D 2 E G 1 F | off: D   (or "off: -")
"""  # noqa: E501


def prompt(window: Window, texts: Mapping[str, VidbText], values: Mapping[str, Value]) -> str:
    """What the model reads."""
    return f"{INSTRUCTIONS}\n{sheet([window], texts, values)}"


async def judge(
    windows: Sequence[Window],
    texts: Mapping[str, VidbText],
    values: Mapping[str, Value],
    complete: Complete,
    name: str,
    tries: int = 3,
) -> AsyncIterator[Judged | BrokenSet]:
    """A ranking for each window, in order; a window whose answers were no permutation `tries` times gives its error."""
    for window in windows:
        error = BrokenSet(f"{window.id}: not asked")
        for _ in range(tries):
            lines = [line for line in (await complete(prompt(window, texts, values))).splitlines() if ":" in line]
            answer = [f"{window.id}:{line.partition(':')[2]}" for line in lines[-1:]]
            try:
                found = parse_sheet(answer, {window.id: window}, name, name)
            except BrokenSet as problem:
                error = problem
                continue
            if found:
                yield found[0]
                break
        else:
            yield error
