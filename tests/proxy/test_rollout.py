"""Arms of a rollout: stable, monotone, different by tenant and installation, and of the share that was asked for."""

import json
from itertools import pairwise

from policies.policy import Policy, Target
from proxy.rollout import key, treated
from proxy.wires.chat import ChatRequest

CONVERSATIONS = 4000


def policy(tenant: str = "acme", percent: int = 100) -> Policy:
    return Policy(tenant=tenant, rollout=f"{percent}%", targets={"power": Target(max=2, hard=True)})


def asked(number: int) -> ChatRequest:
    body = {"model": "m", "user": f"u{number}", "messages": [{"role": "user", "content": "hello"}]}
    return ChatRequest(json.dumps(body).encode())


def arm(percent: int, salt: bytes = b"one", tenant: str = "acme") -> set[int]:
    wanted = policy(tenant, percent)
    return {n for n in range(CONVERSATIONS) if treated(wanted, asked(n), salt)}


def test_who_is_in_stays_in_as_the_share_grows() -> None:
    arms = [arm(percent) for percent in (0, 5, 25, 60, 100)]
    assert all(smaller < larger for smaller, larger in pairwise(arms))
    assert (len(arms[0]), len(arms[-1])) == (0, CONVERSATIONS)
    # 25% of 4,000: 1,000 with an sd of 27
    assert abs(len(arms[2]) - CONVERSATIONS / 4) < 5 * 27


def test_an_arm_stays_the_same_and_a_key_names_its_conversation() -> None:
    assert arm(25) == arm(25)
    assert (
        key(policy(), asked(1), b"one") == key(policy(percent=3), asked(1), b"one") != key(policy(), asked(2), b"one")
    )


def test_tenants_and_installations_draw_their_own_arms() -> None:
    # independent quarters share a sixteenth: 250 with an sd of 15
    for other in (arm(25, salt=b"two"), arm(25, tenant="zenith")):
        assert abs(len(arm(25) & other) - CONVERSATIONS / 16) < 5 * 16
