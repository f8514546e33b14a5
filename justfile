# `just check` is what CI runs.
default: check

# Everything CI checks.
check:
    ./.ci/run

# The quick part: format, lints, tests.
quick:
    cargo fmt --all --check
    cargo clippy --workspace --all-targets -- -D warnings
    cargo test --workspace

# Three companies, one event, on this machine.
demo:
    cargo run --release -- demo

# Writes the generated files anew: docs/cli.md, docs/openapi.json, snapshots, tests/vectors.
update:
    UPDATE=1 cargo test --workspace

# The conformance vectors, checked by an independent program.
vectors:
    python3 tests/vectors/verify.py

# Cuts the power under the store; needs root.
powercut cuts="40":
    tests/powercut/run --cuts {{cuts}}
