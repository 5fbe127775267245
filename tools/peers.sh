#!/bin/sh
# peers.sh server|trackers|s3 PYTHON: run the tests that need real peers, in an environment of their own beside .venv.
#   server    transformers serve (needs torch: a CPU build from pip's find-links where there is one)
#   trackers  MLflow and Weights & Biases, offline
#   s3        a store in a bucket, over HTTP, on moto's server
set -eu
kind=$1 python=$2 venv=.venv-$1
case $kind in
    server) packages="transformers[serving]>=5" tests=tests/llm/test_real_server.py ;;
    trackers) packages="tensorboard>=2.15 mlflow-skinny>=2.16 wandb>=0.17" tests=tests/runs/test_trackers.py ;;
    s3) packages="moto[server]>=5 s3fs>=2025 numpy" tests=tests/stores/test_s3_store.py ;;
    *) echo "peers.sh: $kind is none of server, trackers, s3" >&2; exit 2 ;;
esac
if [ ! -f "$venv/.done" ]; then
    start=$(date +%s)
    [ -x "$venv/bin/python" ] || "$python" -m venv "$venv"
    pip="$venv/bin/python -m pip --disable-pip-version-check --quiet"
    if [ "$kind" = server ]; then
        wheels=$(mktemp -d)
        $pip download --no-deps --no-index --dest "$wheels" torch==2.13.0 >/dev/null 2>&1 && $pip install "$wheels"/torch-*.whl
        rm -rf "$wheels"
    fi
    # shellcheck disable=SC2086  several packages in one word
    $pip install -e . hypothesis pytest $packages
    touch "$venv/.done"
    echo "[peers] $kind installed in $venv, $(du -sm "$venv" | cut -f1) MB, $(($(date +%s) - start)) s"
fi
exec "$venv/bin/python" -m pytest -p no:cacheprovider $tests
