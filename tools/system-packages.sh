#!/bin/sh
# Installs the programs that some groups of tests need, where that needs no question: as root, with apt-get.
# Without them those groups are left out, and named at the end of the tests.
set -u

PATH=$PATH:/usr/sbin:/usr/local/sbin
missing=
command -v mosquitto >/dev/null 2>&1 || missing="$missing mosquitto"
command -v mosquitto_pub >/dev/null 2>&1 || missing="$missing mosquitto-clients"
command -v chromium >/dev/null 2>&1 || command -v chromium-browser >/dev/null 2>&1 || missing="$missing chromium"

[ -n "$missing" ] || exit 0
[ "$(id -u)" -eq 0 ] || exit 0
command -v apt-get >/dev/null 2>&1 || exit 0

echo "installing$missing with apt-get, for the tests that need them"
export DEBIAN_FRONTEND=noninteractive
# shellcheck disable=SC2086 # a list of words
if ! { apt-get -qq update && apt-get -qq install -y --no-install-recommends $missing; } >.state/apt.log 2>&1; then
    echo "apt-get could not install$missing (.state/apt.log says why); tests that need them are left out"
fi
exit 0
