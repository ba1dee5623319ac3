#!/usr/bin/env bash
# All that one sitting at a GPU should yield, written to results/gpu-NAME/ stage by stage.
#
#   tools/gpu_report.sh                       every stage that has not worked yet, in this order:
#       machine tests race knn linear davis speed-tiny speed-paper memory speed-small
#   tools/gpu_report.sh tests speed-tiny      these, also if they have worked before
#   REHEARSE=1 tools/gpu_report.sh            the same with tiny sizes on the CPU
#
# It may be cut off at any time and called again: what is written stays, and the race goes on from
# its last epoch. By environment: MINUTES that the call may take (14), DATA, the folder of
# imagenette128.zip and davis_masks.zip, ARCHIVE, a .tar.gz of the results, made anew after every
# stage, COMMIT where there is no git, PYTHON, RESULTS, RUNS.
#
# No network is used. A machine that lacks packages takes them from wheels/, filled elsewhere by
#   python -m pip download -d wheels --no-deps --only-binary=:all: --python-version 3.12 \
#       --platform manylinux2014_x86_64 einops tyro docstring-parser typeguard psutil matplotlib \
#       contourpy cycler kiwisolver fonttools pyparsing python-dateutil six pytest pluggy \
#       iniconfig pygments lightly lightning-utilities
set -u
cd "$(dirname "$0")/.."

PYTHON=${PYTHON:-$([ -x .venv/bin/python ] && echo .venv/bin/python || echo python3)}
DATA=${DATA:-${MINIDINO_SHARED:-../shared}/data}
REHEARSE=${REHEARSE:-}
RUNS=${RUNS:-runs/gpu-report}
END=$((60 * ${MINUTES:-14}))
SCORING=150 # seconds that the race leaves for the scores of what it has reached
COMMIT=${COMMIT:-$(git describe --always --dirty --exclude='*' 2>/dev/null || echo unknown)}
export PYTHONPATH=$PWD:$RUNS/wheels MPLBACKEND=Agg
export TORCHINDUCTOR_CACHE_DIR=${TORCHINDUCTOR_CACHE_DIR:-$PWD/runs/compiled}

mkdir -p "$RUNS"
if [ -d wheels ] && [ ! -d "$RUNS/wheels" ]; then
    "$PYTHON" -m pip install --quiet --no-index --no-deps --target "$RUNS/wheels" wheels/*.whl
fi
if [ "$REHEARSE" ]; then
    DEVICE=cpu NAME=rehearsal
else
    DEVICE=cuda
    NAME=$("$PYTHON" -c 'import torch; print(torch.cuda.get_device_name())') || exit 2
    NAME=$(echo "$NAME" | tr 'A-Z ' 'a-z-')
fi
RESULTS=${RESULTS:-results/gpu-$NAME}
mkdir -p "$RESULTS"

done_before() { # has a stage worked? its last line says so
    grep -s "\"stage\": \"$1\"" "$RESULTS/stages.jsonl" | tail -n 1 | grep -q '"exit_code": 0'
}

keep() { # all results in one file, replaced whole
    [ "${ARCHIVE:-}" ] || return 0
    tar -czf "$ARCHIVE.partial" "$RESULTS" && mv "$ARCHIVE.partial" "$ARCHIVE"
}

stage() { # NAME SECONDS COMMAND...: what it says goes to NAME.txt, how it ended to stages.jsonl
    local name=$1 limit=$2 began=$SECONDS code
    shift 2
    if [ ! "$NAMED" ] && done_before "$name"; then return 0; fi
    if [ $((END - SECONDS)) -lt 10 ]; then
        echo "$name: no time left"
        return 1
    fi
    if [ "$REHEARSE" ] || [ "$limit" -gt $((END - SECONDS)) ]; then limit=$((END - SECONDS)); fi
    echo "$name: at most $limit s"
    timeout -k 20 -s "${SIGNAL:-TERM}" "$limit" "$@" >"$RESULTS/$name.txt" 2>&1
    code=$?
    sed -i 's/.*\r//' "$RESULTS/$name.txt" # of a progress bar its last state
    printf '{"stage": "%s", "exit_code": %d, "seconds": %d, "commit": "%s"}\n' \
        "$name" "$code" $((SECONDS - began)) "$COMMIT" >>"$RESULTS/stages.jsonl"
    echo "$name: exit code $code after $((SECONDS - began)) s; $(tail -n 1 "$RESULTS/$name.txt")"
    keep
    return "$code"
}

photos() { # unpack NAME.zip once; its folder is the answer
    if [ ! -d "$RUNS/$1" ]; then
        rm -rf "$RUNS/partial"
        "$PYTHON" -m zipfile -e "$DATA/$1.zip" "$RUNS/partial" && mv "$RUNS/partial/$1" "$RUNS/$1"
    fi
    echo "$RUNS/$1"
}

speed() { # RECIPE MORE...: images/s and memory against the page dino.py, timm, and lightly if there
    local recipe=$1
    shift
    set -- --rounds 3 --seconds 2 "$@"
    if [ "$REHEARSE" ]; then
        recipe=things
        set -- --rounds 1 --seconds 0.01 --batch-size 4 --no-memory
    fi
    "$PYTHON" benchmarks/throughput.py --recipe "$recipe" --device "$DEVICE" --no-ladder \
        --out "$RESULTS/throughput-$recipe" "$@"
}
export -f speed
export PYTHON DEVICE RESULTS REHEARSE

run=$RUNS/race/seed0
so_far() { if done_before race; then echo ""; else echo "-so-far"; fi; }

run_tests() { # after Ctrl-C pytest still tells what had failed by then
    # shellcheck disable=SC2046
    SIGNAL=INT stage tests 150 "$PYTHON" -m pytest -m gpu -rA --tb=short -p no:cacheprovider \
        --continue-on-collection-errors \
        ${REHEARSE:+--collect-only} $(grep -l 'mark\.gpu' tests/test_*.py)
}

run_race() {
    local left=$((END - SECONDS - SCORING)) folder
    if [ ! "$NAMED" ] && done_before race; then return 0; fi
    if [ $left -lt 60 ]; then echo "race: no time left"; return 1; fi
    folder=$(photos imagenette128)
    # Where the run has ended it is judged, which takes the time that was left for the scores.
    stage race $((END - SECONDS)) "$PYTHON" benchmarks/race.py photos --data "$folder" \
        --out "$RUNS/race" --minutes "$(echo "$left" | awk '{print $1 / 60}')" \
        ${REHEARSE:+--rehearse --device cpu}
    local code=$?
    mkdir -p "$RESULTS/race/seed0"
    cp "$RUNS"/race/race.png "$RESULTS/race" 2>/dev/null
    cp "$run"/race.json "$run"/config.json "$run"/metrics.jsonl "$RESULTS/race/seed0" 2>/dev/null
    # The teacher's backbone, in half precision, of the last moment that was kept.
    last=$(ls "$run"/snapshots/step_*.safetensors 2>/dev/null | tail -n 1)
    if [ "$last" ]; then cp "$last" "$RESULTS/race/seed0/backbone.safetensors"; fi
    keep
    return $code
}

score() { # NAME SECONDS COMMAND...: of the race's run, at its end or before
    local name=$1$(so_far)
    if [ ! -e "$run/checkpoint.pt" ]; then echo "$name: there is no run to score"; return 1; fi
    stage "$name" "$2" "$PYTHON" -m minidino "${@:3}" --device "$DEVICE"
}

run_knn() { score knn 60 knn "$run" --json "$RESULTS/knn$(so_far).json"; }
run_linear() {
    score linear 120 linear "$run" ${REHEARSE:+--epochs 2} --json "$RESULTS/linear$(so_far).json"
}
run_davis() {
    local folder out
    folder=$(photos davis_masks) out=$RESULTS/davis$(so_far)
    score davis 120 attend "$run" --data "$folder/images" --masks "$folder/masks" --out "$out"
    rm -rf "$out/maps"
}
run_speed_tiny() { stage speed-tiny 200 bash -c "speed tiny --data $(photos imagenette128)"; }
run_speed_paper() { stage speed-paper 240 bash -c "speed paper-vits16"; }
run_speed_small() { stage speed-small 240 bash -c "speed small --no-memory"; }
run_memory() {
    stage memory 120 "$PYTHON" benchmarks/memory.py --device "$DEVICE" ${REHEARSE:+--rehearse} \
        --out "$RESULTS/memory.json"
}

run_machine() {
    stage machine 120 "$PYTHON" -c '
import json, os, sys, torch
from minidino.run.provenance import provenance
told = provenance(torch.device(sys.argv[1])) | {"commit": sys.argv[2], "cpu_count": os.cpu_count()}
print(json.dumps(told | {"cuda": torch.version.cuda, "cudnn": torch.backends.cudnn.version()}))
' "$DEVICE" "$COMMIT"
}

NAMED=${1:+1}
worked=0
for name in ${@:-machine tests race knn linear davis speed-tiny speed-paper memory speed-small}; do
    if ! declare -F "run_${name//-/_}" >/dev/null; then
        echo "there is no stage $name" >&2
        exit 2
    fi
    "run_${name//-/_}" || worked=1
done
exit $worked
