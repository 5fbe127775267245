#!/bin/sh
# Puts every peer into a virtual environment of its own, from the package index; what is there already stays.
#   sh benchmarks/peers/setup.sh [gepa dspy trace-opt textgrad adalflow]
set -eu
here=$(cd "$(dirname "$0")" && pwd)
python=${PYTHON:-python3}
mkdir -p "$here/.venv-log"
log=$here/.venv-log/setup.txt

pins() {
    case $1 in
        gepa) echo "gepa==0.1.4" ;;
        dspy) echo "dspy[optuna]==3.4.1 gepa==0.1.4" ;;
        trace-opt) echo "trace-opt==0.1.3.8" ;;
        textgrad) echo "textgrad==0.1.8" ;;
        adalflow) echo "adalflow==1.1.3 openai>=1" ;;
        mindspore) echo "mindspore==2.10.0 numpy<2" ;;
        pyro) echo "--no-deps pyro-ppl==1.9.2 pyro-api==0.1.2 opt_einsum==3.4.0 tqdm" ;; # beside the torch of this project's environment
        *) echo "no peer is called $1" >&2; exit 2 ;;
    esac
}

install() {
    if command -v uv >/dev/null 2>&1; then
        uv venv --quiet --python "$python" "$1" && uv pip install --quiet --python "$1/bin/python" $2
    else
        "$python" -m venv "$1" && "$1/bin/python" -m pip install --quiet --disable-pip-version-check $2
    fi
}

for peer in ${*:-gepa dspy trace-opt textgrad adalflow}; do
    venv=$here/.venv-$peer
    wanted=$(pins "$peer")
    if [ "$(cat "$venv/.installed" 2>/dev/null || true)" = "$wanted" ]; then
        echo "$peer: there already"
        continue
    fi
    echo "$peer: installing $wanted"
    rm -rf "$venv"
    if install "$venv" "$wanted" >"$log" 2>&1; then
        [ "$peer" != pyro ] || echo "$here"/../../.venv/lib/python3*/site-packages >"$(echo "$venv"/lib/python3*/site-packages)/torch.pth"
        echo "$wanted" >"$venv/.installed"
    else
        echo "$peer: could not be installed; the comparison does without it. The end of the log:"
        tail -n 5 "$log"
    fi
done
