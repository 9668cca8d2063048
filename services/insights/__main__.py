"""`python -m services.insights`."""

from services.insights.app import SERVICE, create_app
from services.insights.settings import InsightsSettings
from shared.http import main

if __name__ == "__main__":
    main(SERVICE, InsightsSettings, create_app)
