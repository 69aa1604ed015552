#!/bin/sh
# Every check and test, one after the other, all of them even when one fails; ends with 1 if any failed.
# At the end: which groups of tests were left out, and the command that enables each.
set -u
bin=.venv/bin
failed=
left_out=

step() {
    name=$1
    shift
    echo "── $name"
    "$@" || failed="$failed, $name"
}

step "ruff check" $bin/ruff check
step "ruff format" $bin/ruff format --check
step "mypy" $bin/mypy
if [ -d tests/js ]; then
    if command -v node >/dev/null 2>&1; then
        # By file: what `node --test FOLDER` means changed between its versions.
        # shellcheck disable=SC2046 # our file names have no blanks
        step "JavaScript tests" node --test --test-reporter=spec $(find tests/js -name '*.test.js' -o -name '*.test.mjs' | sort)
    else
        left_out="JavaScript tests (tests/js): no node here; enable them with: apt-get install nodejs"
    fi
fi
step "Python tests" $bin/python -m pytest

[ -z "$left_out" ] || echo "left out: $left_out"
if [ -n "$failed" ]; then
    echo "failed: ${failed#, }"
    exit 1
fi
