# shellcheck shell=bash
# Sourced by check and test: what can be judged by reading the code alone.

# Runs every reader, so that one run tells everything; true only when all are content.
check_statically() {
    local rooms=() room failed=0
    mkdir -p build
    for room in agent wipers certificates server_stub tests benchmarks; do
        [ -d "$room" ] && rooms+=("$room")
    done
    say "lint, format, types, import contracts"
    .venv/bin/ruff check --quiet --output-format concise "${rooms[@]}" || failed=1
    .venv/bin/ruff format --check --quiet --output-format concise "${rooms[@]}" || { say "not formatted: run .venv/bin/ruff format"; failed=1; }
    .venv/bin/mypy --no-error-summary || failed=1
    .venv/bin/lint-imports --no-cache >build/lint-imports.txt || { cat build/lint-imports.txt; failed=1; }
    return "$failed"
}
