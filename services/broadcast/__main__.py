"""`python -m services.broadcast`."""

from services.broadcast.app import SERVICE, create_app
from services.broadcast.settings import BroadcastSettings
from shared.http import main

if __name__ == "__main__":
    main(SERVICE, BroadcastSettings, create_app)
