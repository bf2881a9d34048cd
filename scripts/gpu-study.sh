#!/usr/bin/env bash
# The GPU study, part by part (docs/gpu-study.md). Each part is one call of under 8 minutes, goes on where it was cut off,
# and counts only what a part says of itself: what this machine cannot measure ends as "not here", with the reason.
#
#   scripts/gpu-study.sh OUT [PART…]        default: every part, in the order of worth for a first call
#   MODEL=smoke OTHERS= scripts/gpu-study.sh OUT        the rehearsal without a GPU
#   DRY=1 scripts/gpu-study.sh OUT [PART…]              print "part<TAB>command", measure nothing
#
# environment: PYTHON, MODEL (default shape:starcoder2-3b), OTHERS (default shape:starcoder2-7b shape:phi-2),
#   LIMIT (seconds for one part, default 460: a device lent for 10 minutes a command also starts and copies),
#   BUDGET (seconds for the whole call: no part begins after them, and the last one is cut off),
#   DROP (layers that ncu does not see, default 2-29 or what MODEL has), NCU_LIMIT (seconds for one scheme, default 140).
#
# How long a part takes: scripts/study_times.py estimates it from the first H100 run's records. A record's time is from its
# start to the next one's; from these come each scheme's start and load, its decode step, its energy window and its
# timeline, and a step at a key-value length that the process had not met, as in its first generation (docs/h100.md). These
# are added up over the commands that DRY=1 prints. A part whose sum came near 8 minutes was split (batches and
# batches-more, and so on).
set -u
OUT=${1:?usage: scripts/gpu-study.sh OUT [PART…]}
shift
EVERY="probe steady repeats remove counters batches remedies lengths alternatives agreement costs
  repeats-more batches-more lengths-more lengths-others lengths-others-more counters-warm remove-again remove-more
  repeats-rest batches-rest report pack"
PARTS=${*:-$EVERY}
PYTHON=${PYTHON:-python3}
MODEL=${MODEL-shape:starcoder2-3b}
OTHERS=${OTHERS-shape:starcoder2-7b shape:phi-2}
LIMIT=${LIMIT:-460}
NCU_LIMIT=${NCU_LIMIT:-140}
# A model's name as part of a folder's: bigcode/starcoder2-3b is one folder, not two.
folder_name() { local name=${1#shape:}; name=${name#/}; echo "${name//\//-}"; }
NAME=$(folder_name "$MODEL")
MAIN=$OUT/$NAME
STATUS=0
SHORTER=() FEWER_TOKENS=() TOKENS=64 REMEDY_TOKENS=128
case $NAME in
  smoke) # only the way is rehearsed: few tokens, one thread (on a busy machine two wait for each other at every call)
    export OMP_NUM_THREADS=${OMP_NUM_THREADS:-1}
    DROP=${DROP-2-5} TOKENS=8 REMEDY_TOKENS=9
    SHORTER=(--threads 1 --matmul-m 1 --energy-seconds 0.2 --calls 1) FEWER_TOKENS=(--new-tokens 8) ;;
  starcoder2-3b) DROP=${DROP-2-29} ;;
  *) DROP=${DROP-2-31} ;;
esac
THREADS=()
[ "$NAME" = smoke ] && THREADS=(--threads 1)
[ -e "$OUT/fork server-off" ] && export BITLEDGER_FORK_SERVER=off

left() { # seconds that the running part, and the call, still have
  local until=$UNTIL
  if [ -n "${BUDGET:-}" ] && ((BUDGET < until)); then until=$BUDGET; fi
  echo $((until - SECONDS))
}

# A step: name, then its command. Its last lines are shown where it did not end well; the exit code is the command's.
step() {
  local name=$1 began=$SECONDS code seconds start
  start=$(date -u +%Y-%m-%dT%H:%M:%SZ)
  shift
  if [ -n "${DRY:-}" ]; then
    printf '%s\t' "$PART"
    printf '%q ' "$@"
    echo
    return 0
  fi
  seconds=$(left)
  if ((seconds < 2)); then echo "$name: no time left: call the part again"; STATUS=1; return 124; fi
  # INT, as from the keyboard: what was measured is kept, and the next call goes on from there.
  timeout -s INT -k 20 "$seconds" "$@" >"$OUT/log-$name.txt" 2>&1
  code=$?
  printf '{"part": "%s", "step": "%s", "began": "%s", "seconds": %d, "exit_code": %d}\n' \
    "$PART" "$name" "$start" $((SECONDS - began)) $code >>"$OUT/steps.jsonl"
  case $code in
    0) echo "$name: done after $((SECONDS - began)) s" ;;
    124 | 130 | 137 | 143) echo "$name: cut off after $((SECONDS - began)) s: call the part again to go on" ;;
    *) echo "$name: exit code $code after $((SECONDS - began)) s"; tail -n 4 "$OUT/log-$name.txt" ;;
  esac
  return $code
}

must() { step "$@" || STATUS=1; }

may() { # like must, but exit code 2 says that this machine lacks what the command needs: no failure
  local said code
  NOT_HERE=
  said=$(step "$@")
  code=$?
  if ((code == 2)); then
    NOT_HERE=yes
    # The last line says why; less what a progress line puts around it.
    echo "$1: not here: $(grep -v '^ *$' "$OUT/log-$1.txt" | tail -n 1 | sed -E 's/^.*not collected: //; s/, [0-9.]+ s$//; s/^bitledger: //')"
    return 0
  fi
  echo "$said"
  if ((code)); then STATUS=1; fi
  return $code
}

once() { # like may, for commands that keep nothing by which they could go on: what is done is not done again
  if [ -z "${DRY:-}" ] && [ -e "$OUT/done-$1" ]; then echo "$1: done before"; return 0; fi
  may "$@" && { [ -n "${DRY:-}$NOT_HERE" ] || touch "$OUT/done-$1"; }
}

after_steady() { # what adds to the run of the part steady needs its plan
  [ -n "${DRY:-}" ] || [ -s "$MAIN/plan.json" ] || { echo "$PART: first the part steady"; STATUS=1; return 1; }
}

measure() { # name, preset, model, folder, more options: one run, or the rest of it
  local name=$1 preset=$2 model=$3 folder=$4 resume=() fewer=("${FEWER_TOKENS[@]}")
  shift 4
  case $preset in study-lengths*) fewer=() ;; esac # two lengths would become one
  [ -s "$folder/records.jsonl" ] && resume=(--resume)
  must "$name" "$PYTHON" -m bench run --preset "$preset" --model "$model" --out "$folder" --no-report \
    "${resume[@]}" "${SHORTER[@]}" "${fewer[@]}" "$@"
}

intervene() { # name, schemes, interventions, new tokens, repeats
  after_steady || return
  must "$1" "$PYTHON" -m bench intervene --out "$MAIN" --schemes "$2" --only "$3" --new-tokens "$4" \
    --calls 1 --repeats "$5" --no-report "${THREADS[@]}"
}

count() { # caches: what ncu sees of one decode step of the first layers, scheme by scheme
  local scheme
  after_steady || return
  for scheme in fp16 nf4 int8; do
    once "counters-$1-$scheme" "$PYTHON" -m profiling ncu --out "$MAIN" --scheme $scheme \
      --drop-layers "$DROP" --new-tokens 16 --ncu-caches "$1" --limit "$NCU_LIMIT" --no-report
  done
}

has_gpu() { nvidia-smi -L >/dev/null 2>&1; }

tiny() { # name: the whole chain once, on the tiny checkpoint
  step "$1" "$PYTHON" -m bench run --preset smoke --schemes fp16,nf4 --repeats 1 --calls 1 --new-tokens 16 --matmul-m 1 \
    --tasks 0 --energy-seconds 0.5 --no-report --out "$OUT/$1"
}

probe() {
  if [ -z "${DRY:-}" ] && [ -s "$OUT/probe/records.jsonl" ]; then mv "$OUT/probe" "$OUT/probe-$(date -u +%Y%m%dT%H%M%S)"; fi
  # Processes forked from the fork server have been tried on one GPU only: where they fail, each starts from scratch.
  if ! tiny probe; then
    export BITLEDGER_FORK_SERVER=off
    touch "$OUT/fork server-off"
    echo "probe: again, every process from scratch (BITLEDGER_FORK_SERVER=off, for all later parts too)"
    rm -rf "$OUT/probe-from-scratch"
    tiny probe-from-scratch || STATUS=1
  fi
  if [ -n "${DRY:-}" ] || has_gpu; then
    must gpu-tests "$PYTHON" -m pytest -m gpu -q --tb=short -p no:cacheprovider
  else
    echo "gpu-tests: not here: no NVIDIA GPU"
  fi
  # Whether CUPTI can be detached after a timeline (pytorch#144455); nothing later depends on it, so it may fail.
  if has_gpu; then TEARDOWN_CUPTI=1 tiny probe-detached || true; fi
}

REMOVABLE=no-cudnn-attention,cuda-graph,threshold-0,threshold-1e4,bare-op,plain-linears,pre-dequantised,blocksize-128,fp4-codes,old-kernel
REPEATABLE=threshold-0,threshold-1e4,bare-op,plain-linears,pre-dequantised,old-kernel,cuda-graph

part() {
  local other folder name more
  case $PART in
    probe) probe ;;
    steady) measure steady study "$MODEL" "$MAIN" ;;
    repeats | repeats-more | repeats-rest | batches | batches-more | batches-rest | lengths | lengths-more | alternatives | costs)
      measure "$PART" "study-$PART" "$MODEL" "$MAIN-$PART" ;;&
    costs)
      once timer-agreement "$PYTHON" -m benchmarks.timer_agreement --rounds 5 --out "$OUT/timer_agreement.json"
      [ -n "${DRY:-}" ] || [ -s "$MAIN-repeats/records.jsonl" ] || { echo "noise: first the part repeats"; return; }
      must noise "$PYTHON" -m benchmarks.noise "$MAIN-repeats" --out "$OUT/noise.json" ;;
    lengths-others | lengths-others-more) # one process of each: three of the larger models would take a part each
      more=${PART#lengths-others}
      for other in $OTHERS; do
        name=$(folder_name "$other")
        measure "lengths$more-$name" "study-lengths$more" "$other" "$OUT/$name-lengths$more" --repeats 1
      done ;;
    remove) intervene remove fp16,int8,int8-thr0,nf4 $REMOVABLE $TOKENS 1 ;;
    remove-again) intervene remove-again fp16,int8,nf4 $REPEATABLE $TOKENS 2 ;;
    remove-more)
      intervene remove-more fp16,int8-bf16,nf4-dq,4bit-default \
        logger-silenced,float16-model,double-quant-off,compute-matched $TOKENS 1 ;;
    remedies)
      intervene remedies fp16,bf16,int8,int8-thr0,nf4,nf4-dq,int4-tinygemm cuda-graph,static-cache $REMEDY_TOKENS 1 ;;
    counters) count cold ;;
    counters-warm) count warm ;;
    agreement) once agreement "$PYTHON" -m benchmarks.do_bench_agreement --out "$OUT/do_bench_agreement.json" ;;
    report)
      [ -n "${DRY:-}" ] && must report "$PYTHON" -m bench report "$MAIN"
      for folder in "$OUT"/*/records.jsonl; do
        [ -s "$folder" ] && must "report-$(basename "${folder%/*}")" "$PYTHON" -m bench report "${folder%/*}"
      done ;;
    pack)
      must pack "$PYTHON" scripts/pack_study.py "$OUT"
      [ -n "${DRY:-}" ] || cat "$OUT/log-pack.txt" ;;
  esac
}

for PART in $PARTS; do # first, so that a slip of the pen costs no minutes of a GPU
  case " ${EVERY//$'\n'/ } " in
    *" $PART "*) ;;
    *) echo "unknown part $PART: choose from ${EVERY//$'\n'/ }" >&2; exit 2 ;;
  esac
done
[ -n "${DRY:-}" ] || mkdir -p "$OUT"
for PART in $PARTS; do
  if [ -n "${BUDGET:-}" ] && ((SECONDS >= BUDGET)); then echo "$PART: not begun: the call's time is up"; STATUS=1; continue; fi
  UNTIL=$((SECONDS + LIMIT))
  [ -n "${DRY:-}" ] || echo "== $PART"
  part
done
exit $STATUS
