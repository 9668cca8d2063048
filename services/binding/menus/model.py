"""Which rich menu a contact should have: by bound state (features F52)."""

from __future__ import annotations

from services.binding.members.model import Contact
from shared.channels import Channel
from shared.mongo import Document

MENU = "menu"


def menu_item(contact: Contact, because: str) -> Document:
    """Return the item that gives a contact the menu of its state; `because` names the change that led to it.

    Which menu that is, is read when the call is made, so that a late one never undoes a newer.
    """
    return {"id": f"{because}.menu.{contact.user_id}", "do": MENU, "contact": contact.id}


def menu_of(channel: Channel, *, bound: bool) -> str | None:
    """Return the rich menu id of a state; None means: none of its own, LINE shows the account's default."""
    return channel.rich_menus.bound if bound else channel.rich_menus.unbound
