"""What customers are told of their tickets, in the account's language."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from services.ticketing.tickets.model import REPAIR, State, Ticket


@dataclass(frozen=True, slots=True)
class Wording:
    """The words of one language; `{kind}`, `{number}` and `{state}` are filled in."""

    notice: str
    repair: str
    other: str
    states: dict[State, str]


_WORDINGS = {
    "zh-TW": Wording(
        notice="您的{kind}（編號 {number}）狀態更新：{state}。",
        repair="維修單",
        other="服務單",
        states={
            "new": "已收到",
            "accepted": "已受理",
            "in_progress": "處理中",
            "waiting_customer": "等待您的回覆",
            "ready": "已完成，可以取件",
            "closed": "已結案",
            "cancelled": "已取消",
        },
    ),
    "ja": Wording(
        notice="{kind}（番号 {number}）の状況が変わりました：{state}。",
        repair="修理のご依頼",
        other="お問い合わせ",
        states={
            "new": "受信済み",
            "accepted": "受付完了",
            "in_progress": "対応中",
            "waiting_customer": "お客様のご返信待ち",
            "ready": "完了、お渡しできます",
            "closed": "終了",
            "cancelled": "キャンセル済み",
        },
    ),
    "th": Wording(
        notice="{kind}หมายเลข {number} มีสถานะใหม่: {state}",
        repair="งานซ่อมของคุณ",
        other="คำขอของคุณ",
        states={
            "new": "ได้รับแล้ว",
            "accepted": "รับเรื่องแล้ว",
            "in_progress": "กำลังดำเนินการ",
            "waiting_customer": "รอคำตอบจากคุณ",
            "ready": "เสร็จแล้ว พร้อมรับคืน",
            "closed": "ปิดงานแล้ว",
            "cancelled": "ยกเลิกแล้ว",
        },
    ),
    "en": Wording(
        notice="{kind} no. {number}: {state}.",
        repair="Your repair",
        other="Your request",
        states={
            "new": "received",
            "accepted": "accepted",
            "in_progress": "in progress",
            "waiting_customer": "waiting for your answer",
            "ready": "done, ready to be collected",
            "closed": "closed",
            "cancelled": "cancelled",
        },
    ),
}


def wording(language: str) -> Wording:
    """Return the words of a language, English where there are none."""
    return _WORDINGS.get(language, _WORDINGS["en"])


def state_notice(ticket: Ticket, language: str) -> str:
    """Return what a customer is told of a ticket's present state (features F39)."""
    words = wording(language)
    kind = words.repair if ticket.kind == REPAIR else words.other
    return words.notice.format(kind=kind, number=ticket.number, state=words.states[ticket.state])


def languages() -> Sequence[str]:
    """Return the languages there are words for."""
    return tuple(_WORDINGS)
