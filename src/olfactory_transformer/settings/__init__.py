"""Every setting of the package, and the only place that reads the environment.

    command line ▶ environment ▶ files named by ..._FILE ▶ .env ▶ TOML file ▶ default

Names are those of the deployment guide. A setting is here only if it changes something.
"""

from olfactory_transformer.settings.fields import Device, LogFormat, LogLevel, Settings, allowed, is_secret
from olfactory_transformer.settings.load import Loaded, load_settings, load_with_origins

__all__ = [
    "Device",
    "Loaded",
    "LogFormat",
    "LogLevel",
    "Settings",
    "allowed",
    "is_secret",
    "load_settings",
    "load_with_origins",
]
