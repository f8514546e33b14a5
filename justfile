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

# Fuzzes one target for some seconds; needs a nightly tool chain and cargo-fuzz.
fuzz target seconds="600":
    mkdir -p fuzz/found/{{target}} fuzz/corpus/{{target}}
    cargo +nightly fuzz run --fuzz-dir fuzz -s none --features node {{target}} \
        fuzz/found/{{target}} fuzz/corpus/{{target}} -- \
        -max_total_time={{seconds}} -max_len=4096 -timeout=60 -rss_limit_mb=3000 -print_final_stats=1

# Two nodes beside a plain copy; needs root. A kit of other peers may be named.
bench *args:
    tests/bench/run {{args}}

# Cuts the power under the store; needs root.
powercut cuts="40":
    tests/powercut/run --cuts {{cuts}}
