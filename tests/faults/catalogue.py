"""The forty faults that Musubi is to survive, and how each is shown: by scenarios of this harness, by named tests that
stand elsewhere, or why it does not apply yet."""

from __future__ import annotations

from dataclasses import dataclass

_CONSUMER = "tests/integration/test_consumer.py::"
_INGEST = "tests/integration/test_ingest_broker.py::"
_WEBHOOK = "services/ingest/tests/test_webhook_api.py::"
_FUZZ = "services/ingest/tests/test_webhook_fuzz.py::"
_BODIES = "services/ingest/tests/test_bodies.py::"
_OUTCOMES = "services/broadcast/tests/test_sending_outcomes.py::"
_KILLS = "services/broadcast/tests/test_sending_kills.py::"
_CRASHES = "services/broadcast/tests/test_sending_crashes.py::"
_PACE = "services/broadcast/tests/test_sending_model.py::"
_LINE = "shared/line/tests/test_sending.py::"
_STAND_IN = "shared/line/tests/test_with_stand_in.py::"
_ONCE = "tests/e2e/test_once.py::"
_TICKETS = "services/ticketing/tests/test_tickets_errands.py::"
_CONTRACTS = "tests/contracts/test_events.py::"
_INSIGHTS = "services/insights/tests/"


@dataclass(frozen=True)
class Case:
    """One fault: what must hold, and what shows it. `missing`: what is not there to be shown yet."""

    number: int
    title: str
    scenarios: tuple[str, ...] = ()
    tests: tuple[str, ...] = ()
    missing: str = ""


CASES: tuple[Case, ...] = (
    Case(
        1,
        "crash after Kafka's acknowledgement, before 200: the redelivery adds nothing",
        ("points-ingest", "one-of-each"),
        (f"{_INGEST}test_a_killed_ingest_has_stored_all_it_accepted",),
    ),
    Case(2, "crash before the acknowledgement: nobody saw 200, the resend is stored", ("before-ack", "points-ingest")),
    Case(
        3,
        "broker stalled or down: 503 in time, memory bounded",
        ("broker-stalled", "broker-restarted"),
        (
            f"{_INGEST}test_without_a_broker_every_answer_is_503_in_time_and_it_comes_back",
            f"{_INGEST}test_memory_is_bounded_while_the_broker_stalls",
        ),
    ),
    Case(
        4,
        "one event of several refused: 5xx, the retry yields each once",
        ("broker-restarted", "broker-killed"),
        (f"{_INGEST}test_one_refused_event_makes_the_whole_body_503_and_its_retry_stores_all",),
    ),
    Case(
        5,
        "the same delivery at once to two processes: one effect",
        ("copies",),
        (f"{_ONCE}test_ten_events_three_times_in_parallel_to_two_processes_have_each_effect_once",),
    ),
    Case(
        6,
        "out of order and late: the newest state, counters in the right window",
        (),
        (
            f"{_ONCE}test_disorder_ends_in_the_newest_state_and_the_same_counts",
            f"{_ONCE}test_an_event_of_over_an_hour_ago_is_counted_and_not_answered",
            "services/ticketing/tests/test_messages_store.py::"
            "test_of_an_unsent_message_nothing_is_left_but_a_stub_whatever_order",
            f"{_INSIGHTS}test_counters_buckets.py::test_every_moment_lies_in_exactly_the_bucket_that_counts_it",
        ),
    ),
    Case(
        7,
        "consumer killed at every step: effects as if nothing had happened",
        ("points-binding", "points-ticketing", "points-insights", "one-of-each", "again-and-again", "whole-service"),
        (
            f"{_INSIGHTS}test_counters_exactness.py::test_killed_at_any_write_and_read_again_from_any_committed_offset",
            "tests/integration/test_insights_counting.py::"
            "test_killed_in_mid_batch_again_and_again_it_ends_at_what_one_clean_pass_counts",
        ),
    ),
    Case(
        8,
        "rebalance inside a handler: the old owner's late write does no harm",
        ("rebalance",),
        (
            f"{_CONSUMER}test_members_joining_and_leaving_under_load_lose_and_double_nothing",
            f"{_INSIGHTS}test_counters_exactness.py::"
            "test_a_process_that_lost_a_partition_and_its_new_owner_write_at_once",
        ),
    ),
    Case(9, "zombie consumer wakes up after its session: its writes do no harm", ("zombies",)),
    Case(
        10,
        "broker restarted or killed, leaders and coordinators move: no loss, all goes on alone",
        ("broker-restarted", "broker-killed", "three-killed", "three-frozen"),
    ),
    Case(
        11,
        "store restarted, frozen, cut off after a write: the retry changes nothing more",
        ("store-restarted", "store-stalled", "store-cut", "store-late"),
        missing="step-down of a primary: the local store has no replicas",
    ),
    Case(
        12,
        "LINE answers 500: same body, same retry key, later and later",
        ("line",),
        (f"{_OUTCOMES}test_what_passes_is_sent_again_and_once", f"{_LINE}test_pauses_double_with_jitter_up_to_a_limit"),
    ),
    Case(
        13,
        "LINE accepts and gives no answer: one accept",
        ("line", "line-deaths"),
        (
            f"{_OUTCOMES}test_what_was_accepted_without_an_answer_is_found_accepted",
            f"{_LINE}test_accepted_then_no_answer_then_409_is_accepted_once",
        ),
    ),
    Case(14, "409 without a record of ours: accepted", (), (f"{_LINE}test_409_without_a_record_of_ours_is_accepted",)),
    Case(
        15,
        "429 for the rate: the pace drops and recovers",
        (),
        (
            f"{_OUTCOMES}test_what_passes_is_sent_again_and_once",
            f"{_PACE}test_a_refusal_halves_the_pace_once_a_second_and_it_comes_back",
        ),
    ),
    Case(
        16,
        "429 for the quota in mid-campaign: paused, the rest is sent later",
        (),
        (
            f"{_OUTCOMES}test_a_spent_quota_and_a_revoked_token_pause_once_and_lose_nothing",
            f"{_OUTCOMES}test_a_chunk_that_may_have_been_accepted_keeps_its_bytes_while_the_quota_is_spent",
        ),
    ),
    Case(
        17,
        "400 for one chunk: it alone",
        (),
        (
            f"{_OUTCOMES}test_one_refused_chunk_does_not_stop_the_others",
            f"{_OUTCOMES}test_a_recipient_that_line_refuses_is_taken_out_of_the_chunk",
        ),
    ),
    Case(
        18,
        "token revoked in mid-campaign: halts once",
        (),
        (f"{_OUTCOMES}test_a_spent_quota_and_a_revoked_token_pause_once_and_lose_nothing",),
    ),
    Case(
        19,
        "2xx with a broken body: accepted",
        (),
        (f"{_STAND_IN}test_malformed_success_is_success_and_not_sent_again",),
    ),
    Case(
        20,
        "sender killed at any chunk: everybody in exactly one accepted chunk",
        (),
        (
            f"{_KILLS}test_a_campaign_killed_at_every_chunk_reaches_everybody_once",
            f"{_CRASHES}test_a_sender_that_dies_at_any_step_loses_and_doubles_nothing",
        ),
    ),
    Case(
        21,
        "resumed after a day: what is unknown is not sent again",
        (),
        (
            f"{_OUTCOMES}test_what_nobody_knows_after_a_day_is_not_sent_again",
            f"{_LINE}test_after_24_hours_an_unknown_send_is_not_sent_again",
        ),
    ),
    Case(
        22,
        "two workers with one campaign: each chunk accepted once",
        (),
        (
            f"{_OUTCOMES}test_two_that_both_believe_to_lead_send_nothing_twice",
            f"{_KILLS}test_a_stopped_sender_that_wakes_up_beside_its_successor_doubles_nothing",
        ),
    ),
    Case(
        23,
        "segment or state changes while it is sent: the frozen audience, pause within what is in flight",
        (),
        (
            "services/broadcast/tests/test_segments_resolving.py::test_what_is_frozen_needs_neither_segments_nor_the_time",
            f"{_OUTCOMES}test_a_paused_campaign_stops_within_what_is_in_flight_and_goes_on",
            f"{_OUTCOMES}test_who_is_no_friend_any_more_is_skipped_and_counted",
        ),
    ),
    Case(
        24,
        "poisoned record: a dead letter with its coordinates, the partition moves on, the breaker",
        ("letters-refused",),
        (
            f"{_CONSUMER}test_a_poisoned_record_goes_to_the_dead_letters_and_the_rest_goes_on",
            f"{_CONSUMER}test_the_breaker_stops_a_consumer_that_finds_everything_bad",
        ),
    ),
    Case(25, "dead letters refused alone: nothing behind them is committed", ("letters-refused",)),
    Case(
        26,
        "oversized, endless or dripping body: refused before it is held",
        (),
        (
            f"{_BODIES}test_a_declared_length_over_the_cap_is_refused_unread",
            f"{_BODIES}test_a_stream_of_100_mb_is_refused_at_the_cap_with_flat_memory",
            f"{_BODIES}test_a_dripping_body_is_408",
        ),
    ),
    Case(
        27,
        "bad signatures and bad bodies: never 500, nothing produced",
        (),
        (
            f"{_WEBHOOK}test_a_wrong_signature_is_401_and_nothing_is_published",
            f"{_WEBHOOK}test_a_signed_body_that_is_no_webhook_of_the_account_is_400",
            f"{_WEBHOOK}test_a_connection_check_is_200_and_publishes_nothing",
            f"{_FUZZ}test_noise_is_401",
            f"{_FUZZ}test_signed_noise_is_400",
            f"{_FUZZ}test_a_damaged_webhook_is_200_or_400_and_never_half_published",
        ),
    ),
    Case(
        28,
        "captured body sent again: 200, no effect",
        ("captured",),
        (f"{_WEBHOOK}test_redelivered_and_week_old_events_are_published_and_marked",),
    ),
    Case(
        29,
        "right signature, wrong account: refused",
        (),
        (f"{_WEBHOOK}test_another_account_s_signature_does_not_open_this_one",),
    ),
    Case(
        30,
        "clocks apart or jumping: windows by event time, pace by a clock that never goes back",
        (),
        (
            "shared/tests/test_clock.py::test_now_is_aware_and_the_other_clock_never_goes_back",
            f"{_INSIGHTS}test_counters_buckets.py::test_every_moment_lies_in_exactly_the_bucket_that_counts_it",
            f"{_PACE}test_no_window_of_a_second_holds_more_than_the_pace_and_one",
        ),
    ),
    Case(
        31,
        "one contact sends 90 %: order kept, others not held up",
        ("hot",),
        (
            f"{_CONSUMER}test_a_slow_key_holds_up_no_other_and_is_never_skipped_by_a_commit",
            f"{_CONSUMER}test_keeps_order_within_a_key_and_commits_what_is_finished",
        ),
    ),
    Case(
        32,
        "slow consumer: paused and resumed, not evicted",
        ("store-late",),
        (
            f"{_CONSUMER}test_a_partition_too_far_ahead_is_paused_and_goes_on_later",
            f"{_CONSUMER}test_while_the_world_is_down_the_same_record_is_tried_and_never_a_dead_letter",
        ),
    ),
    Case(33, "Kafka refuses writes as with a full disk: 503, recovery alone", ("disk-full", "three-two-down")),
    Case(
        34,
        "old consumer and new event, new consumer and old log",
        (),
        (
            f"{_CONTRACTS}test_unknown_fields_are_ignored",
            f"{_CONTRACTS}test_a_golden_is_read_whole_and_written_the_same",
        ),
    ),
    Case(35, "rebuilt while traffic runs: equal to the live result", missing="rebuilding beside the live one"),
    Case(
        36,
        "two messages at once, death between ticket and answer: one ticket, one answer",
        ("points-ticketing",),
        (
            f"{_TICKETS}test_two_processes_with_the_same_item_open_one_ticket_and_reply_once",
            f"{_TICKETS}test_an_opening_that_dies_after_any_call_ends_in_one_ticket_and_one_reply",
            "tests/e2e/test_repair.py::test_two_repairs_at_once_are_one_ticket",
        ),
    ),
    Case(
        37,
        "SLA timers over restarts and changes of the clock: each breach once",
        (),
        (
            f"{_TICKETS}test_a_missed_target_is_flagged_and_told_once",
            "services/ticketing/tests/test_clocks_model.py::test_a_day_on_which_the_clock_changes_has_its_real_length",
        ),
        missing="asking for satisfaction (CSAT)",
    ),
    Case(
        38,
        "abuse of the admin side: refused, one campaign",
        (),
        (
            "services/broadcast/tests/test_campaigns_api.py::"
            "test_each_route_lets_in_whom_the_table_says_and_hides_other_accounts",
            "services/broadcast/tests/test_campaigns_api.py::test_two_starts_at_once_are_one",
            "services/broadcast/tests/test_campaigns_api.py::"
            "test_members_of_messages_that_look_like_operators_are_just_kept",
        ),
    ),
    Case(
        39,
        "SIGTERM under load: finished or handed back within the grace period",
        ("sigterm",),
        (f"{_INGEST}test_sigterm_answers_what_is_under_way_and_loses_nothing",),
    ),
    Case(
        40,
        "servers not there at the start: alive, not ready, no crash loop",
        ("no-servers",),
        (
            f"{_INGEST}test_it_starts_before_its_broker_and_finds_it_later",
            "services/broadcast/tests/test_app.py::test_with_every_server_down_it_is_alive_not_ready_and_ends_by_itself",
        ),
    ),
)

TESTS: tuple[str, ...] = tuple(dict.fromkeys(test for case in CASES for test in case.tests))
"""Every named test once."""


def cases_shown_by(name: str) -> tuple[int, ...]:
    """Return the numbers of the cases that a scenario or a test shows."""
    return tuple(case.number for case in CASES if name in (*case.scenarios, *case.tests))
