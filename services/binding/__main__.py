"""`python -m services.binding`."""

from services.binding.app import SERVICE, create_app
from services.binding.settings import BindingSettings
from shared.http import main

if __name__ == "__main__":
    main(SERVICE, BindingSettings, create_app)
