#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# Copyright (c) 2026 The lore authors
#
# Seconds that the compiler takes at -O2 for a file that includes lore/lore.hpp, fits and adapts, beside one that
# includes <Eigen/Dense> and multiplies two matrices, and the same program linked with lore::compiled: the shortest of
# five runs of each, in turn, and their ratio.
#   bench/compile_time.sh [compiler] [folder of Eigen]
set -euo pipefail
compiler=${1:-g++}
eigen=${2:-/usr/include/eigen3}
include=$(cd "$(dirname "${BASH_SOURCE[0]}")/../include" && pwd)
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT

cat >"$folder/eigen.cpp" <<'CPP'
#include <Eigen/Dense>
Eigen::MatrixXf product(const Eigen::MatrixXf& a, const Eigen::MatrixXf& b) { return a * b; }
CPP
cat >"$folder/include.cpp" <<'CPP'
#include "lore/lore.hpp"
CPP
cat >"$folder/fit.cpp" <<'CPP'
#include "lore/lore.hpp"
float fit_and_adapt(const lore::Preferences<>& preferences, const lore::Matrix<float>& X) {
  const auto joint = lore::JointFit<>{}(preferences.seen_train(), lore::Rank{5});
  const lore::FewShotFit<> adapt(joint.model);
  const auto user = adapt(X);
  return lore::reward(joint.model.basis, user.weights, X.col(0));
}
CPP

sed 's/^#include/#define LORE_COMPILED\n&/' "$folder/fit.cpp" >"$folder/compiled.cpp"

# Seconds of processor time, which other programs disturb less than time on the clock.
seconds_of() {
  TIMEFORMAT='%U %S'
  { time "$compiler" -std=c++20 -O2 -I "$include" -isystem "$eigen" -c "$folder/$1.cpp" -o "$folder/$1.o"; } 2>&1 |
    awk '{ print $1 + $2 }'
}

declare -A best
for run in 1 2 3 4 5; do
  for file in eigen include fit compiled; do
    seconds=$(seconds_of "$file")
    if [[ $run -eq 1 ]] || awk "BEGIN { exit !($seconds < ${best[$file]}) }"; then best[$file]=$seconds; fi
  done
done
"$compiler" --version | head -n 1
for file in eigen include fit compiled; do
  awk -v name="$file" -v s="${best[$file]}" -v base="${best[eigen]}" \
    'BEGIN { printf "%-8s %6.2f s %6.2f x\n", name, s, s / base }'
done
