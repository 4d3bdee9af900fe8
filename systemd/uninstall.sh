#!/bin/sh
# Removes what systemd/install.sh has installed: run it as root. Settings, keys, and models that
# were added stay, unless it is called with --purge.
set -eu
root=${DESTDIR:-}

if [ -z "$root" ]; then
    systemctl disable --now ovapi.service ovapi.socket || true
fi
rm -f "$root/etc/systemd/system/ovapi.service" "$root/etc/systemd/system/ovapi.socket"
rm -rf "$root/opt/ovapi/.venv" "$root/opt/ovapi/models/ovapi-demo"
rm -rf "$root/opt/ovapi/docs"
rm -f "$root/opt/ovapi/README.md" "$root/opt/ovapi/LICENSE" "$root/opt/ovapi/api_documentation.md"
if [ "${1:-}" = --purge ]; then
    rm -rf "$root/opt/ovapi" "$root/etc/ovapi" "$root/var/lib/ovapi" "$root/var/lib/private/ovapi"
    rm -rf "$root/var/cache/ovapi" "$root/var/cache/private/ovapi"
fi
[ -n "$root" ] || systemctl daemon-reload
