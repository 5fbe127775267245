#!/bin/sh
# install.sh run|dev "INSTALL COMMAND" VENV: put the library and what it needs into VENV, and say what was done.
set -eu
kind=$1 install=$2 venv=$3
start=$(date +%s)
if [ "$kind" = dev ]; then
    # The tests that compare with torch run where a CPU build lies in pip's find-links; nowhere else is it fetched.
    if ! "$venv/bin/python" -c "import torch" 2>/dev/null; then
        wheels=$(mktemp -d)
        if "$venv/bin/python" -m pip download --quiet --no-deps --no-index --dest "$wheels" torch==2.13.0 >/dev/null 2>&1; then
            $install "$wheels"/torch-*.whl 2>/dev/null || true
        fi
        rm -rf "$wheels"
    fi
    $install -e ".[dev]"
    touch "$venv/.dev"
else
    $install -e .
fi
touch "$venv/.run"
site=$("$venv/bin/python" -c "import sysconfig; print(sysconfig.get_path('purelib'))")
count=$(ls -d "$site"/*.dist-info | wc -l | tr -d ' ')
size=$(du -sm --exclude=__pycache__ "$site" 2>/dev/null | cut -f1 || echo "?")
with=$(command -v uv >/dev/null 2>&1 && echo uv || echo pip)
echo "[1/2] install  $venv with $with · $count packages, $size MB · no key needed · $(($(date +%s) - start)) s"
