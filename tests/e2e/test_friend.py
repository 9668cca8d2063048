"""One friend's life, from the webhook to the member, the message and the count."""

from __future__ import annotations

from typing import Any

import pytest

from shared.clock import to_millis, utcnow
from shared.ids import ulid
from shared.testing.spine import Spine
from shared.testing.waiting import eventually

pytestmark = pytest.mark.e2e

COFFEE, REPAIR = "musubi-coffee", "musubi-repair"


async def greeted(spine: Spine, users: list[str], times: int = 1) -> None:
    async def all_greeted() -> bool:
        return all(count == times for count in (await spine.greetings(users)).values())

    await eventually(all_greeted, seconds=60)


async def menu_of(spine: Spine, slug: str, user: str) -> Any:
    return (await spine.ask(f"/users/{slug}/{user}"))["rich_menu"]["effective"]


async def test_a_new_friend_is_greeted_once_by_reply_and_is_a_member(spine: Spine) -> None:
    [user] = await spine.people(1)
    before = await spine.report(COFFEE, "friends")
    await spine.act(COFFEE, user, "add")
    await greeted(spine, [user])
    [accept] = [entry for entry in await spine.accepts(user=user) if entry["api"] in {"reply", "push"}]
    assert accept["api"] == "reply"
    member = await spine.until_member(COFFEE, user, bound=False)
    assert member["contacts"][0]["following"] is True

    async def counted() -> bool:
        now = await spine.report(COFFEE, "friends")
        return bool(now["totals"]["adds"] - before["totals"]["adds"] == 1)

    await eventually(counted)


async def test_three_follows_one_block_and_redelivered_copies_count_once(spine: Spine) -> None:
    users = await spine.people(3)
    before = (await spine.report(REPAIR, "friends"))["totals"]
    await spine.tell("PUT", "/faults/webhooks", {"duplicate_every": 1})
    for user in users:
        await spine.act(REPAIR, user, "add")
    await greeted(spine, users)
    await spine.act(REPAIR, users[0], "block")
    await spine.ask("/deliveries", wait=20)

    async def counted() -> bool:
        now = (await spine.report(REPAIR, "friends"))["totals"]
        difference = {name: now[name] - before[name] for name in ("adds", "blocks", "reach")}
        return difference == {"adds": 3, "blocks": 1, "reach": 2}

    await eventually(counted)
    await spine.until_member(REPAIR, users[0])
    assert all(count == 1 for count in (await spine.greetings(users)).values())


async def test_someone_who_comes_back_is_greeted_as_such(spine: Spine) -> None:
    [user] = await spine.people(1)
    await spine.act(COFFEE, user, "add")
    await greeted(spine, [user])
    await spine.act(COFFEE, user, "block")
    await spine.act(COFFEE, user, "unblock")
    await greeted(spine, [user], times=2)
    first, second = [entry for entry in await spine.accepts(user=user) if entry["api"] in {"reply", "push"}]
    assert first["digest"] != second["digest"]


async def test_a_writer_who_never_followed_is_a_contact_and_no_friend(spine: Spine) -> None:
    [user] = await spine.people(1)
    await spine.act(COFFEE, user, "text", text="hello")
    member = await spine.until_member(COFFEE, user)
    assert member["contacts"][0]["following"] is None
    assert await spine.greetings([user]) == {user: 0}


async def test_the_customer_key_binds_switches_the_menu_and_keeps_its_history(spine: Spine) -> None:
    user, other = await spine.people(2)
    await spine.act(COFFEE, user, "add")
    await spine.act(COFFEE, other, "add")
    member, second = await spine.until_member(COFFEE, user), await spine.until_member(COFFEE, other)
    path = f"/v1/members/{member['id']}/keys/customer"
    value = f"C-{user[:8]}"
    bound = await spine.admin("PUT", "binding", path, json={"value": value})
    assert (bound.status_code, bound.json()["value"]) == (200, value)
    again = await spine.admin("PUT", "binding", path, json={"value": f"  {value.lower()} "})
    assert len(again.json()["history"]) == 1
    taken = await spine.admin(
        "PUT", "binding", f"/v1/members/{second['id']}/keys/customer", json={"value": value.upper()}
    )
    assert (taken.status_code, taken.headers["content-type"]) == (409, "application/problem+json")
    menus = await eventually(lambda: menu_of(spine, COFFEE, user))
    unbound = await spine.admin("DELETE", "binding", path)
    assert unbound.json()["value"] is None
    assert [(change["old"], change["new"]) for change in unbound.json()["history"]] == [(None, value), (value, None)]

    async def switched_back() -> bool:
        return bool(await menu_of(spine, COFFEE, user) != menus)

    await eventually(switched_back)


@pytest.mark.parametrize(
    ("headers", "status"), [({}, 401), ({"authorization": "Bearer mk_dev_wrong"}, 401), ({"authorization": "x"}, 401)]
)
async def test_the_api_takes_no_stranger(spine: Spine, headers: dict[str, str], status: int) -> None:
    answer = await spine.http.get(f"{spine.api('binding')}/v1/members", headers=headers)
    assert (answer.status_code, answer.json()["type"]) == (status, "/problems/unauthorised")


async def link_account(spine: Spine, user: str, customer: str) -> dict[str, Any]:
    member = await spine.until_member(COFFEE, user)
    token = await spine.admin("POST", "binding", f"/v1/members/{member['id']}/link-token")
    assert token.status_code == 201, token.text
    body = {"channel": COFFEE, "customer_key": customer, "link_token": token.json()["link_token"]}
    nonce = await spine.admin("POST", "binding", "/v1/account-links", json=body)
    assert nonce.status_code == 201, nonce.text
    opened: dict[str, Any] = nonce.json()
    return opened


async def test_the_account_link_binds_and_says_so(spine: Spine) -> None:
    [user] = await spine.people(1)
    await spine.act(COFFEE, user, "add")
    await greeted(spine, [user])
    opened = await link_account(spine, user, f"link-{user[:8]}")
    await spine.act(COFFEE, user, "open", url=opened["redirect_url"])
    member = await spine.until_member(COFFEE, user, bound=True)
    assert member["keys"] == {"customer": f"link-{user[:8]}"}
    await greeted(spine, [user], times=2)
    assert await eventually(lambda: menu_of(spine, COFFEE, user))


async def test_a_failed_account_link_leaves_the_member_unbound_and_its_nonce_useless(spine: Spine) -> None:
    owner, thief = await spine.people(2)
    for user in (owner, thief):
        await spine.act(COFFEE, user, "add")
    opened = await link_account(spine, owner, f"link-{owner[:8]}")
    await spine.until_member(COFFEE, thief)
    await spine.act(COFFEE, thief, "open", url=opened["redirect_url"])
    await spine.ask("/deliveries", wait=20)
    await greeted(spine, [owner])
    event = {
        "type": "accountLink",
        "link": {"result": "ok", "nonce": opened["nonce"]},
        "webhookEventId": ulid(),
        "deliveryContext": {"isRedelivery": False},
        "timestamp": to_millis(utcnow()),
        "source": {"type": "user", "userId": owner},
        "replyToken": ulid(),
        "mode": "active",
    }
    await spine.tell("POST", f"/{COFFEE}/events", {"events": [event]})
    await greeted(spine, [owner], times=2)
    await spine.until_member(COFFEE, owner, bound=False)


async def test_a_source_vouched_for_by_liff_is_joined_to_the_follow(spine: Spine) -> None:
    [user] = await spine.people(1)
    made = await spine.admin("POST", "binding", "/v1/links/sources", json={"channel": COFFEE, "source": "window"})
    code = made.json()["url"].rsplit("/", 1)[1]
    token = (await spine.act(COFFEE, user, "id_token"))["id_token"]
    hit = await spine.http.post(f"{spine.api('ingest')}/liff/source", json={"code": code, "id_token": token})
    assert hit.status_code == 200, hit.text
    await spine.act(COFFEE, user, "add")

    async def joined() -> bool:
        member = await spine.member(COFFEE, user)
        return bool(member and member["contacts"][0]["source"] == "window")

    await eventually(joined)
    member = await spine.until_member(COFFEE, user)
    assert member["contacts"][0]["source_basis"] == "liff"


async def linked_menu(spine: Spine, user: str) -> Any:
    return (await spine.ask(f"/users/{REPAIR}/{user}"))["rich_menu"]["linked"]


async def test_erasing_a_member_forgets_the_person_and_a_later_word_starts_anew(spine: Spine) -> None:
    [user] = await spine.people(1)
    await spine.act(REPAIR, user, "add")
    member = await spine.until_member(REPAIR, user)
    await spine.admin("PUT", "binding", f"/v1/members/{member['id']}/keys/customer", json={"value": f"gone-{user[:8]}"})
    await eventually(lambda: linked_menu(spine, user))
    gone = await spine.admin("DELETE", "binding", f"/v1/members/{member['id']}")
    assert gone.status_code == 204
    assert await spine.member(REPAIR, user) is None

    async def unlinked() -> bool:
        return not await linked_menu(spine, user)

    await eventually(unlinked)
    assert (await spine.admin("GET", "binding", f"/v1/members/{member['id']}")).status_code == 404
    await spine.act(REPAIR, user, "text", text="it is me again")
    anew = await spine.until_member(REPAIR, user)
    assert anew["contacts"][0]["first_followed_at"] is None
    assert anew["version"] > member["version"]
