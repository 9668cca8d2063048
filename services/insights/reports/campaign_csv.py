"""What is reported of campaigns as CSV: a row a campaign, or a row a link; each with source and as-of."""

from __future__ import annotations

from services.insights.reports.campaign_model import CampaignItem, CampaignReport, CampaignsReport
from services.insights.reports.campaigns import CAMPAIGN_MEASURES
from services.insights.reports.csv import origin_columns
from shared.spreadsheets import BOM, csv_lines

_COLUMNS = tuple(name for name in CampaignItem.model_fields if name != "skipped_by_reason")


def campaigns_csv(report: CampaignsReport) -> bytes:
    """Return a row a campaign; each reason for skipping is a column of its own."""
    reasons = list(report.totals.skipped_by_reason)
    origin = origin_columns(CAMPAIGN_MEASURES, report.sources)
    header = [*_COLUMNS, *(f"skipped_{reason}" for reason in reasons), *origin]
    rows = [
        [
            *(getattr(item, name) for name in _COLUMNS),
            *(item.skipped_by_reason.get(reason, 0) for reason in reasons),
            *origin.values(),
        ]
        for item in report.items
    ]
    return (BOM + csv_lines([header, *rows])).encode()


def links_csv(report: CampaignReport) -> bytes:
    """Return a row a link; the rows sum up to the campaign's clicks."""
    origin = origin_columns(["campaign_clicks"], report.sources)
    header = ["campaign", "name", "link", "clicks", "robot_clicks", *origin]
    about = [report.campaign.campaign, report.campaign.name]
    rows = [[*about, link.link, link.clicks, link.robot_clicks, *origin.values()] for link in report.links]
    return (BOM + csv_lines([header, *rows])).encode()
