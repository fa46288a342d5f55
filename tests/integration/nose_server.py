"""The server with a made-up model of sensors, and less patience with headers than it has.

Its arguments are the seconds of the model's windows, and those from one to the next.
"""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))
from nose import MadeUpNose, made_up

from olfactory_transformer.api import connection, server
from olfactory_transformer.api.sensors import service

if __name__ == "__main__":
    connection.HEAD_SECONDS = 1.0
    model = MadeUpNose(*map(float, sys.argv[1:]))
    service.load_naming = lambda settings: made_up(model)()
    sys.exit(server.main())
