"""Messages that a service answers or notifies with: kept on an outbox, replied or pushed, each exactly once."""

from shared.answers.courier import AnswerCourier, AnswerMetrics, Ended
from shared.answers.model import ANSWER, answer_item, notice_item

__all__ = ["ANSWER", "AnswerCourier", "AnswerMetrics", "Ended", "answer_item", "notice_item"]
