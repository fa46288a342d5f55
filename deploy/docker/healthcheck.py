"""Docker's health check: ends well while the server in this container can predict. There is no curl in the image."""

import http.client
import os
import sys

# Where HEALTH_CHECK_PORT is set, it answers even when the main port's connections are all taken.
port = int(os.environ.get("HEALTH_CHECK_PORT") or os.environ.get("PORT") or 8000)
connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
try:
    connection.request("GET", "/ready")
    status = connection.getresponse().status
except (OSError, http.client.HTTPException) as error:
    sys.exit(f"/ready on port {port}: {type(error).__name__}: {error}")
print(f"/ready on port {port}: {status}")
sys.exit(status != 200)
