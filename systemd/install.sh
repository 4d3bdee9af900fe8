#!/bin/sh
# Installs ovapi as a service, from the folder above this one: run it as root. What is already in
# /etc/ovapi stays as it is, so it updates an installation too. systemd/uninstall.sh undoes it.
# With DESTDIR, the files go below that folder, and nothing else happens.
set -eu
source=$(CDPATH='' cd -- "$(dirname -- "$0")/.." && pwd)
root=${DESTDIR:-}
program=$root/opt/ovapi
settings=$root/etc/ovapi
units=$root/etc/systemd/system

mkdir -p "$program/models" "$settings" "$units"
cp -R "$source/models/." "$program/models"
cp "$source/README.md" "$source/LICENSE" "$source/api_documentation.md" "$program"
cp -R "$source/docs" "$program"
cp "$source/systemd/ovapi.service" "$source/systemd/ovapi.socket" "$units"

if [ ! -e "$settings/config.yaml" ]; then
    sed -e 's|^models_dir: models |models_dir: /opt/ovapi/models |' \
        -e 's|^# compile_cache: cache |compile_cache: /var/cache/ovapi |' \
        "$source/config.yaml" >"$settings/config.yaml"
fi
if [ ! -e "$settings/keys" ]; then
    (umask 077 && echo "# One key a line: KEY, NAME KEY or NAME sha256:HEX" >"$settings/keys")
fi
[ -e "$settings/environment" ] || cp "$source/systemd/ovapi.environment" "$settings/environment"
[ -z "$root" ] || exit 0

"${PYTHON:-python3.11}" -m venv "$program/.venv"
"$program/.venv/bin/pip" install --quiet --disable-pip-version-check --upgrade "$source"
systemctl daemon-reload
systemctl enable --now ovapi.socket
systemctl enable ovapi.service
systemctl restart ovapi.service
echo "ovapi is installed: systemctl status ovapi; its settings are in /etc/ovapi"
