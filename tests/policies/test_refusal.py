import pytest

from policies.refusal import is_refusal


@pytest.mark.parametrize(
    "text",
    ["I'm sorry, but I can't help with that.", "I cannot assist with this.", "Sorry, I’m unable to provide that."],
)
def test_refusals(text: str) -> None:
    assert is_refusal(text)


@pytest.mark.parametrize(
    "text", ["I can't stress enough how good rest is.", "Sorry to hear that. Rest.", "She said: I cannot help.", ""]
)
def test_answers(text: str) -> None:
    assert not is_refusal(text)
