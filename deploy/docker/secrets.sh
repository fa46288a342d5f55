#!/usr/bin/env bash
# Make the secrets that docker-compose.yml reads, each once: what is there is left alone.
#
# Containers run as users of their own and must be able to read them, so the files are open and the folder is not.
set -euo pipefail
cd "$(dirname "$0")"
mkdir -p secrets
chmod 700 secrets

random() { head -c 32 /dev/urandom | base64 | tr -d '+/=\n'; }

make_secret() { # name, command that prints it
    [ -e "secrets/$1" ] && return
    "${@:2}" > "secrets/$1"
    chmod 644 "secrets/$1"
    echo "made secrets/$1"
}

redis_url() { printf 'redis://:%s@redis-cache:6379/0' "$(cat secrets/redis_password)"; }

make_secret redis_password random
make_secret redis_url redis_url
make_secret grafana_admin_password random
