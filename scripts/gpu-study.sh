#!/usr/bin/env bash
# The study of docs/h200.md, part by part: each part is one command of a few minutes, resumes what was interrupted, and
# writes small files only. Rehearse without a GPU: MODEL=smoke OTHERS= scripts/gpu-study.sh OUT
#
#   scripts/gpu-study.sh OUT [PART…]      parts: steady lengths counters remove report   (default: all, in this order)
#   environment: PYTHON, MODEL (default shape:starcoder2-3b), OTHERS (default shape:starcoder2-7b shape:phi-2),
#                REPEATS (of interventions, default 2),
#                NCU_LIMIT (seconds for one scheme, default 120: where one takes longer the others are left out),
#                DROP (layers that ncu does not see, default 2-29: StarCoder2-3B has 30)
set -u
OUT=${1:?usage: scripts/gpu-study.sh OUT [PART…]}
shift
PARTS=${*:-steady lengths counters remove report}
PYTHON=${PYTHON:-python3}
MODEL=${MODEL-shape:starcoder2-3b}
OTHERS=${OTHERS-shape:starcoder2-7b shape:phi-2}
REPEATS=${REPEATS:-2}
DROP=${DROP-2-29}
NCU_LIMIT=${NCU_LIMIT:-120}
NAME=${MODEL#shape:}
MAIN=$OUT/$NAME
STATUS=0

step() { # name, then a command: run it, tell how long it took, remember a failure
  local name=$1 began=$SECONDS code
  shift
  "$@" >"$OUT/log-$name.txt" 2>&1
  code=$?
  echo "$name: exit code $code after $((SECONDS - began)) s"
  if ((code)); then STATUS=1; tail -n 4 "$OUT/log-$name.txt"; fi
  return "$code"
}

measure() { # name, preset, model, folder
  local resume=()
  [ -s "$4/records.jsonl" ] && resume=(--resume)
  step "$1" "$PYTHON" -m bench run --preset "$2" --model "$3" --out "$4" --no-report "${resume[@]}"
}

mkdir -p "$OUT"
for part in $PARTS; do
  case $part in
    steady) measure steady study "$MODEL" "$MAIN" ;;
    remove)
      step remove "$PYTHON" -m bench intervene --out "$MAIN" --schemes fp16,int8,int8-thr0,nf4 \
        --only cuda-graph,threshold-0,threshold-1e4,bare-op,plain-linears,pre-dequantised,blocksize-128,fp4-codes,old-kernel \
        --new-tokens 64 --calls 1 --repeats "$REPEATS" --no-report
      ;;
    report)
      for folder in "$OUT"/*/records.jsonl; do step report "$PYTHON" -m bench report "${folder%/*}"; done
      ;;
    counters)
      for scheme in fp16 nf4 int8; do
        step "counters-$scheme" "$PYTHON" -m profiling ncu --out "$MAIN" --scheme $scheme --drop-layers "$DROP" \
          --new-tokens 16 --ncu-caches cold --limit "$NCU_LIMIT" --no-report || break
      done
      ;;
    lengths)
      for other in $OTHERS; do
        measure "lengths-${other#shape:}" study-lengths "$other" "$OUT/${other#shape:}"
      done
      ;;
    *) echo "unknown part $part: steady, lengths, counters, remove or report" >&2; exit 2 ;;
  esac
done
exit $STATUS
