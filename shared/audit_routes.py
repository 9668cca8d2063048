"""`/v1/audit`, which every service with an audit log serves; for keys of all accounts, since entries name none."""

from datetime import datetime
from typing import Annotated

from fastapi import APIRouter, Depends, Query
from pydantic import BaseModel

from shared.api import Limit, Moment, decode_cursor, encode_cursor
from shared.audit import Audit, AuditFilter
from shared.auth import AdminKeys, Principal, allowed


class AuditEntry(BaseModel):
    """One change by staff: the key's id, what was done (a right of the permission table, mostly), to what."""

    id: str
    at: datetime
    who: str
    action: str
    object: str
    why: str | None = None


class AuditPage(BaseModel):
    """A page of entries, newest first."""

    items: list[AuditEntry]
    next_cursor: str | None


def audit_routes(audit: Audit, keys: AdminKeys) -> APIRouter:
    """Return the routes of `/v1/audit`."""
    router = APIRouter(prefix="/v1/audit", tags=["audit"])
    reader = Annotated[Principal, Depends(allowed(keys, "audit.read", everywhere=True))]

    @router.get("")
    async def list_entries(
        _: reader,
        who: Annotated[str | None, Query(description="the id of a key")] = None,
        action: Annotated[str | None, Query(description="such as dead_letters.drop")] = None,
        about: Annotated[str | None, Query(alias="object", description="what was changed")] = None,
        since: Annotated[Moment | None, Query(description="at or after; RFC 3339, or a date in UTC")] = None,
        until: Annotated[Moment | None, Query(description="before; RFC 3339, or a date in UTC")] = None,
        cursor: str | None = None,
        limit: Limit = 50,
    ) -> AuditPage:
        """List changes by staff, newest first."""
        position = decode_cursor(cursor, 1)
        before = str(position[0]) if position else None
        wanted = AuditFilter(who, action, about, since, until)
        found = await audit.page(wanted, before=before, limit=limit + 1)
        items = [AuditEntry.model_validate(entry | {"id": entry["_id"]}) for entry in found[:limit]]
        more = encode_cursor([items[-1].id]) if len(found) > limit else None
        return AuditPage(items=items, next_cursor=more)

    return router
