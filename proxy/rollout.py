"""Which arm of a rollout a request is in: a stable function of salt, tenant and conversation, growing with the share.

Knows a policy's share and the members of a request that name a conversation; nothing of what happens in either arm.
"""

import hashlib
import hmac

from policies.policy import Policy
from proxy.wires.wire import WireRequest


def conversation(request: WireRequest) -> str:
    """What stays the same over a conversation: an id that the client gives, else its first texts."""
    metadata = request.member("metadata")
    metadata = metadata if isinstance(metadata, dict) else {}
    members = (request.member(key) for key in ("prompt_cache_key", "safety_identifier", "user"))
    candidates = [metadata.get("conversation_id"), *members, metadata.get("user_id")]
    return next((c for c in candidates if isinstance(c, str) and c), request.first_texts)


def treated(policy: Policy, request: WireRequest, salt: bytes) -> bool:
    """Whether the policy applies to this conversation; who is in at a share stays in at every larger one.

    The salt is the installation's: without it nobody can work out, or choose, an arm.
    """
    return policy.rollout >= 1 or int(key(policy, request, salt)[:16], 16) / 2**64 < policy.rollout


def key(policy: Policy, request: WireRequest, salt: bytes) -> str:
    """The conversation's HMAC, in hex: it places the conversation in an arm and names it in the audit trail."""
    text = conversation(request).encode(errors="surrogatepass")  # JSON may hold half a surrogate pair
    return hmac.new(salt, policy.tenant.encode() + b"\0" + text, hashlib.sha256).hexdigest()
