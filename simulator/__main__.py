"""`python -m simulator`: LINE's stand-in as a process."""

from __future__ import annotations

import logging

import uvicorn

from shared.channels import BadFile
from shared.settings import BAD_SETTINGS_EXIT, load_settings
from simulator.app import create_app
from simulator.server import config_for
from simulator.settings import SimulatorSettings


def main() -> None:
    """Read the settings, serve until told to stop."""
    settings = load_settings(SimulatorSettings, "simulator")
    logging.basicConfig(level=settings.log_level, format="%(asctime)s %(levelname)s %(name)s %(message)s")
    try:
        app = create_app(settings)
    except BadFile as error:
        logging.getLogger(__name__).error("simulator cannot start: %s", error)
        raise SystemExit(BAD_SETTINGS_EXIT) from None
    uvicorn.Server(config_for(app, settings)).run()


if __name__ == "__main__":
    main()
