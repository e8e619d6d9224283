"""Ids of what an upstream keeps, sealed to the tenant that they were given to: `resp_1` → `resp_1_vf_<mac>`.

Knows ids and a secret; nothing of requests. Another tenant's id, or one that nobody was given, opens for nobody.
"""

import hashlib
import hmac
import re

from proxy.errors import ApiError

_SEALED = re.compile(r"(?P<id>.{1,512})_vf_(?P<mac>[0-9a-f]{32})", re.DOTALL)


class Seal:
    """One tenant's seal, HMAC-SHA-256 of tenant and id, cut to 128 bits."""

    def __init__(self, secret: bytes, tenant: str) -> None:
        self._secret = secret
        self._tenant = tenant

    def close(self, id_: str) -> str:
        """The id as the tenant sees it."""
        return f"{id_}_vf_{self._mac(id_)}"

    def open(self, sealed: object, param: str) -> str:
        """The upstream's id. Raises ApiError 404 naming `param` for what is no id that this tenant was given."""
        found = _SEALED.fullmatch(sealed) if isinstance(sealed, str) else None
        if found is None or not hmac.compare_digest(found["mac"], self._mac(found["id"])):
            raise ApiError.not_found("No such object, or not one of yours.", param, "not_found")
        return found["id"]

    def _mac(self, id_: str) -> str:
        return hmac.new(self._secret, f"{self._tenant}\0{id_}".encode(), hashlib.sha256).hexdigest()[:32]
