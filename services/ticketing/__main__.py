"""`python -m services.ticketing`."""

from services.ticketing import SERVICE
from services.ticketing.app import create_app
from services.ticketing.settings import TicketingSettings
from shared.http import main

if __name__ == "__main__":
    main(SERVICE, TicketingSettings, create_app)
