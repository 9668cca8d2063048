"""`python -m services.ticketing`."""

from services.ticketing.app import SERVICE, create_app
from services.ticketing.settings import TicketingSettings
from shared.http import main

if __name__ == "__main__":
    main(SERVICE, TicketingSettings, create_app)
