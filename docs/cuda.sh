#!/usr/bin/env bash
# Compiles and links `--features cuda` on a machine without a GPU, so that the GPU build does not rot. The result does not
# run there: it wants a driver. Takes a quarter of an hour and some 5 GB in a scratch folder.
#   bash docs/cuda.sh [FOLDER]
set -euo pipefail
cd "$(dirname "$0")/.."
scratch=$(realpath -m "${1:-${TMPDIR:-/tmp}/gradlens-cuda}")
mkdir -p "$scratch"
[ -x "$scratch/venv/bin/pip" ] || python3 -m venv "$scratch/venv"
"$scratch/venv/bin/pip" install -q 'nvidia-cuda-nvcc==13.0.*' 'nvidia-cuda-runtime==13.0.*' 'nvidia-cuda-cccl==13.0.*' \
  'nvidia-cuda-crt==13.0.*' 'nvidia-cuda-nvrtc==13.0.*' 'nvidia-nvvm==13.0.*' 'nvidia-cublas==13.*' 'nvidia-curand'
cuda=$(echo "$scratch"/venv/lib/python3*/site-packages/nvidia/cu13)
[ -d "$cuda" ] || { echo "the CUDA packages are not where they were: look for a folder cu13 in $scratch/venv" >&2; exit 1; }

# The packages lack what a system-wide installation has: lib64, and the names that linkers look for.
ln -sfn lib "$cuda/lib64"
for name in cublas cublasLt curand nvrtc cudart; do
  found=$(find "$cuda/lib" -name "lib$name.so.*" | sort | head -1)
  [ -z "$found" ] || ln -sf "$(basename "$found")" "$cuda/lib/lib$name.so"
done
mkdir -p "$scratch/stub"
echo | cc -shared -o "$scratch/stub/libcuda.so" -x c -

export CUDA_HOME="$cuda" CUDA_PATH="$cuda" PATH="$cuda/bin:$PATH" CUDA_COMPUTE_CAP="${CUDA_COMPUTE_CAP:-90}"
export RUSTFLAGS="-L $cuda/lib -L $scratch/stub -C link-arg=-Wl,--unresolved-symbols=ignore-all"
export CARGO_TARGET_DIR="$scratch/target"
cargo build --release --features cuda
ls -l "$CARGO_TARGET_DIR/release/gradlens"
