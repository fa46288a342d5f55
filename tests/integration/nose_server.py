"""The server with a made-up model of sensors, and less patience with headers than it has."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))
from nose import made_up

from olfactory_transformer.api import connection, server
from olfactory_transformer.api.sensors import service

if __name__ == "__main__":
    connection.HEAD_SECONDS = 1.0
    service.load_naming = lambda settings: made_up()()
    sys.exit(server.main())
