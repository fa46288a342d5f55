#!/usr/bin/env bash
# Install from Debian's packages what the tests start themselves: Redis, PostgreSQL, Prometheus, an MQTT broker, openssl,
# a clock that can be set for one process, what checks systemd's units, and the libraries of RDKit's drawing code.
# Called by `make test`.
set -euo pipefail
missing=()
command -v redis-server >/dev/null || missing+=(redis-server)
command -v promtool >/dev/null || missing+=(prometheus)
command -v systemd-analyze >/dev/null || missing+=(systemd)
compgen -G "/usr/lib/*/libXrender.so.1" >/dev/null || missing+=(libxrender1)
compgen -G "/usr/lib/*/libXext.so.6" >/dev/null || missing+=(libxext6)
[ -x /usr/sbin/mosquitto ] || missing+=(mosquitto)
command -v openssl >/dev/null || missing+=(openssl)
compgen -G "/usr/lib/postgresql/*/bin/initdb" >/dev/null || missing+=(postgresql)
compgen -G "/usr/lib/*/faketime/libfaketime.so.1" >/dev/null || missing+=(libfaketime)
[ ${#missing[@]} -eq 0 ] && exit 0
echo "The tests need ${missing[*]}; installing from Debian's packages."
root=()
[ "$(id -u)" -eq 0 ] || root=(sudo)
"${root[@]}" apt-get update -qq
DEBIAN_FRONTEND=noninteractive "${root[@]}" apt-get install -y -qq --no-install-recommends "${missing[@]}" >/dev/null
