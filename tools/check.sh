#!/bin/sh
# Every check and test, all of them even when one fails; ends with 1 if any failed.
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

# Most of their time tests wait: for a broker, a browser, a deadline. So two halves that take about as long run side by side.
beside="tests/integration tests/e2e"
log=.state/tests-beside.log
# shellcheck disable=SC2086 # two folders
$bin/python -m pytest $beside >$log 2>&1 &
pid=$!
trap 'kill $pid 2>/dev/null' INT TERM
step "Python tests, all but $beside" $bin/python -m pytest --ignore=tests/integration --ignore=tests/e2e
echo "── Python tests, $beside"
wait $pid || failed="$failed, $beside"
cat $log

[ -z "$left_out" ] || echo "left out: $left_out"
if [ -n "$failed" ]; then
    echo "failed: ${failed#, }"
    exit 1
fi
