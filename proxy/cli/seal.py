"""`valueflow seal`: an id of what was made in a tenant's own account, as the tenant may name it through the proxy."""

from typing import Annotated

import typer

from proxy.cli.shared import fail, read_settings


def seal(
    tenant: Annotated[str, typer.Argument(help="the tenant, as its policy names it")],
    ids: Annotated[
        list[str], typer.Argument(metavar="ID...", help="ids of files, conversations, prompts and the like")
    ],
) -> None:
    """Seal ids to a tenant, one a line: they are then good for it alone, in requests to models that it owns."""
    from proxy.product import checked_policies
    from proxy.wires.seal import Seal

    settings = read_settings()
    secret = settings.seal_secret.get_secret_value()
    if not secret:
        raise fail("VALUEFLOW_SEAL_SECRET is empty: the server draws one at each start, and this seal would not hold")
    if tenant not in checked_policies(settings):
        raise fail(f"there is no policy for tenant '{tenant}' in {settings.policies}")
    for id_ in ids:
        print(Seal(secret.encode(), tenant).close(id_))
