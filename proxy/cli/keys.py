"""`valueflow keys`: make, list and revoke tenants' keys."""

import asyncio
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Table

from proxy.cli.shared import err, fail, make_folder_of, read_settings, refuse_without

keys = typer.Typer(no_args_is_help=True, help="Make, list and revoke tenants' keys.")
_out = Console()


async def _with_keys(action: str, *arguments: str) -> Any:
    from proxy.store.database import Database
    from proxy.store.keys import Keys

    settings = read_settings()
    if action == "add":
        make_folder_of(settings.database)
    else:
        refuse_without(settings.database)
    database = Database(settings.database)
    try:
        await database.open()
        return await getattr(Keys(database), action)(*arguments)
    finally:
        await database.close()


@keys.command("new")
def keys_new(tenant: Annotated[str, typer.Argument(help="the tenant, as its policy names it")]) -> None:
    """Make a key and show it, once."""
    from proxy.product import checked_policies

    settings = read_settings()
    if tenant not in checked_policies(settings):
        raise fail(f"there is no policy for tenant '{tenant}' in {settings.policies}")
    print(asyncio.run(_with_keys("add", tenant)))
    err.print("Keep it: only its hash is stored.")


@keys.command("list")
def keys_list() -> None:
    """All keys, by the beginning of their hash."""
    table = Table("id", "tenant", "key", "created", "revoked")
    for key in asyncio.run(_with_keys("list")):
        revoked = f"{key.revoked:%Y-%m-%d %H:%M}" if key.revoked else ""
        table.add_row(key.sha256[:12], key.tenant, key.hint, f"{key.created:%Y-%m-%d %H:%M}", revoked)
    _out.print(table)


@keys.command("revoke")
def keys_revoke(beginning: Annotated[str, typer.Argument(help="the id that `keys list` shows", min=8)]) -> None:
    """Revoke a key; running proxies follow within VALUEFLOW_KEY_SECONDS."""
    count = asyncio.run(_with_keys("revoke", beginning)) if len(beginning) >= 8 else 0
    if not count:
        raise fail("no such key; give at least 8 characters of the id that `valueflow keys list` shows")
    _out.print(f"revoked {count}")
