#!/usr/bin/env bash
# Installs the two peers that benchmarks.performance compares with, into a folder of their own:
#   HolisticTraceAnalysis 0.5 (PyPI) and nsys stats 2023.4 (Debian trixie, non-free). The one that is there is measured.
# The Debian packages are unpacked, not installed: their dependency on the CUDA driver cannot be met without a GPU,
# and `nsys stats` on a SQLite export needs none of it.
# Usage: benchmarks/install_peers.sh [folder]        (default: build/peers; about 1.2 GB)
set -euo pipefail

peers=$(realpath -m "${1:-build/peers}")
mkdir -p "$peers/apt/lists/partial" "$peers/apt/cache/archives/partial" "$peers/deb"
cd "$peers"

if [ ! -x "$peers/hta/bin/python" ]; then
  python3 -m venv "$peers/hta"
  "$peers/hta/bin/pip" install --quiet "HolisticTraceAnalysis==0.5.0"
fi
"$peers/hta/bin/pip" list 2>/dev/null | grep -i -E "holistic|pandas|numpy"

if [ ! -x "$peers/bin/nsys" ]; then
  # The mirror is the one that this system is set up with.
  mirror=$(apt-get indextargets --format '$(REPO_URI)' | grep -v security | sort -u | head -n 1)
  [ -n "$mirror" ] || { echo "nsys is left out: apt has no lists yet; run apt-get update first" >&2; exit 2; }
  keys=/usr/share/keyrings/debian-archive-keyring.gpg
  echo "deb [signed-by=$keys] $mirror trixie main non-free" > apt/sources.list
  apt_options=(
    -o "Dir::Etc::sourcelist=$peers/apt/sources.list" -o "Dir::Etc::sourceparts=-"
    -o "Dir::State::lists=$peers/apt/lists" -o "Dir::Cache=$peers/apt/cache"
    -o "APT::Sandbox::User=root"
  )
  apt-get "${apt_options[@]}" -qq update
  for package in nsight-systems nsight-systems-target libnvidia-ml1; do
    (cd deb && apt-get "${apt_options[@]}" -q download "$package") || [ "$package" = libnvidia-ml1 ]
  done
  for deb in deb/*.deb; do dpkg-deb -x "$deb" root; done
  rm -rf deb apt
  mkdir -p bin
  nsys=$(find "$peers/root" -name nsys -type f -perm -u+x | grep -v wrapper | head -n 1)
  ln -sf "$nsys" bin/nsys
fi
"$peers/bin/nsys" --version
