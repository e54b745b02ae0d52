#!/usr/bin/env bash
# Fuzzes what reads model files, with libFuzzer and a stable compiler: fuzz/run.sh wire|importer|checkpoint [EXECUTIONS]
# It begins with fuzz/corpus, and puts there what it found that goes new ways; a crash ends it with a non-zero status and
# leaves its input in target/fuzz/TARGET. tests/fuzzed.rs replays the corpus. Needs a C++ compiler, zip and unzip.
set -euo pipefail
cd "$(dirname "$0")/.."
target=${1:?wire, importer or checkpoint}
executions=${2:-10000000}
work=target/fuzz/$target
packed=fuzz/corpus/$target.zip.gz
mkdir -p "$work/corpus" "$work/seeds" "$work/least"

# What `cargo fuzz` passes, without a sanitizer: those need a nightly compiler.
flags="--cfg fuzzing -Cpasses=sancov-module -Ccodegen-units=1"
for flag in level=4 inline-8bit-counters pc-table trace-compares; do
  flags+=" -Cllvm-args=-sanitizer-coverage-$flag"
done
host=$(rustc -vV | sed -n 's/^host: //p')
# Named, so that what runs while it is built has none of these flags.
RUSTFLAGS=$flags cargo build --release --manifest-path fuzz/Cargo.toml --target-dir target/fuzz --target "$host" --bin "$target"
fuzzer=target/fuzz/$host/release/$target

if [ -f "$packed" ]; then
  gunzip -c "$packed" >"$work/packed.zip"
  unzip -q -o "$work/packed.zip" -d "$work/seeds"
fi
cp tests/data/onnx/*.onnx "$work/seeds"
for file in tests/data/checkpoints/*.gz; do
  [ "$target" = checkpoint ] && gunzip -c "$file" >"$work/seeds/$(basename "$file" .gz)"
done
export GL_FUZZ_FOLDER=${GL_FUZZ_FOLDER:-/dev/shm}
"$fuzzer" "$work/corpus" "$work/seeds" -runs="$executions" -max_len="${GL_FUZZ_LONGEST:-8192}" -timeout=10 -rss_limit_mb=2048 \
  -artifact_prefix="$work/" -print_final_stats=1

rm -rf "$work/least" && mkdir "$work/least"
"$fuzzer" -merge=1 "$work/least" "$work/corpus" "$work/seeds" -max_len=4096 -timeout=10 2>"$work/merge.log"
mkdir -p fuzz/corpus
rm -f "$work/packed.zip"
(cd "$work/least" && find . -type f | sort | zip -q -0 -X ../packed.zip -@)
gzip -9 -n -c "$work/packed.zip" >"$packed.new" && mv "$packed.new" "$packed"
