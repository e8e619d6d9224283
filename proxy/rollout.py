"""Which arm of a rollout a request is in: a stable function of tenant and conversation, growing with the share.

Knows a policy's share and the members of a request that name a conversation; nothing of what happens in either arm.
"""

import hashlib
import hmac

from policies.policy import Policy
from proxy.wires.chat import ChatRequest


def conversation(chat: ChatRequest) -> str:
    """What stays the same over a conversation: an id that the client gives, else its first texts."""
    metadata = chat.member("metadata")
    named = metadata.get("conversation_id") if isinstance(metadata, dict) else None
    candidates = [named, *(chat.member(key) for key in ("prompt_cache_key", "safety_identifier", "user"))]
    return next((c for c in candidates if isinstance(c, str) and c), chat.first_texts)


def treated(policy: Policy, chat: ChatRequest) -> bool:
    """Whether the policy applies to this conversation; who is in at a share stays in at every larger one."""
    return policy.rollout >= 1 or int(key(policy, chat)[:16], 16) / 2**64 < policy.rollout


def key(policy: Policy, chat: ChatRequest) -> str:
    """The conversation's HMAC, in hex: it places the conversation in an arm and names it in the audit trail."""
    return hmac.new(policy.tenant.encode(), conversation(chat).encode(), hashlib.sha256).hexdigest()
