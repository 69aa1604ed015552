#!/bin/sh
# Makes .venv with the given Python, after checking that it is new enough and complete.
set -eu
python=$1

if ! command -v "$python" >/dev/null 2>&1; then
    echo "$python is not here. Sensorline needs Python 3.11 or later: apt-get install python3 python3-venv," >&2
    echo "or name another one: make run PYTHON=/path/to/python3" >&2
    exit 1
fi
if ! "$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))'; then
    echo "$python is $("$python" --version 2>&1). Sensorline needs Python 3.11 or later." >&2
    echo "Name another one: make run PYTHON=python3.11" >&2
    exit 1
fi
# Debian and Raspberry Pi OS keep this part of Python in a package of its own.
if ! "$python" -c 'import venv, ensurepip' 2>/dev/null; then
    echo "$python cannot make virtual environments here: apt-get install python3-venv, then try again." >&2
    exit 1
fi
rm -rf .venv
if ! "$python" -m venv .venv; then
    rm -rf .venv
    exit 1
fi
