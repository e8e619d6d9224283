import pytest

from policies.refusal import is_refusal


@pytest.mark.parametrize(
    "text",
    [
        "I'm sorry, but I can't help with that.",
        "I cannot assist with this.",
        "Sorry, I’m unable to provide that.",
        "I'm sorry, I can't help.",
        "I'm sorry, but I can't assist",
        "I can't do that.",
        "I cannot provide instructions for making weapons.",
        "I won't engage in this.",
        "I can't help you plan that.",
    ],
)
def test_refusals(text: str) -> None:
    assert is_refusal(text)


@pytest.mark.parametrize(
    "text",
    [
        "I can't stress enough how good rest is.",
        "Sorry to hear that. Rest.",
        "She said: I cannot help.",
        "I can't help but smile at that.",
        "I cannot support leaving her alone tonight.",
        "I won't answer for her, but I would go.",
        "",
    ],
)
def test_answers(text: str) -> None:
    assert not is_refusal(text)
