import pytest

from proxy.errors import ApiError
from proxy.wires.seal import Seal

MINE = Seal(b"secret", "acme")


def test_the_tenant_opens_what_it_was_given() -> None:
    sealed = MINE.close("resp_1")
    assert sealed.startswith("resp_1")
    assert sealed != "resp_1"
    assert MINE.open(sealed, "previous_response_id") == "resp_1"


@pytest.mark.parametrize(
    "foreign",
    ["", "resp_1", Seal(b"secret", "other").close("resp_1"), Seal(b"other", "acme").close("resp_1"),
     MINE.close("resp_1").replace("resp_1", "resp_2"), MINE.close("resp_1")[:-1], MINE.close("resp_1") + "0"],
)  # fmt: skip
def test_everything_else_is_not_found(foreign: str) -> None:
    with pytest.raises(ApiError) as caught:
        MINE.open(foreign, "previous_response_id")
    assert (caught.value.status, caught.value.param) == (404, "previous_response_id")


def test_a_tenants_name_cannot_be_moved_into_the_id() -> None:
    with pytest.raises(ApiError):
        Seal(b"secret", "a").open(Seal(b"secret", "a\0b").close("c"), "id")
