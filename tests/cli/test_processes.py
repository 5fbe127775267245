"""The command as a process: fast help, signals, pipes, no third-party import before it is needed."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


def started(*args: str, cwd: Path, **more: object) -> subprocess.Popen[str]:
    env = {**os.environ, "PYTHONPATH": str(ROOT)}
    env.pop("PARAGRAD_HOME", None)
    return subprocess.Popen(
        [sys.executable, "-m", "paragrad", *args], cwd=cwd, env=env, text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE, **more
    )  # type: ignore[call-overload,no-any-return]


def test_help_imports_click_and_little_else(tmp_path: Path) -> None:
    code = (
        "import sys\nfrom paragrad.cli.app import app\ntry:\n    app.main(['--help'])\nexcept SystemExit:\n    pass\n"
        "print(sorted({m.partition('.')[0] for m in sys.modules} & {'rich', 'numpy', 'pydantic', 'openai', 'torch', 'httpx'}))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, env={**os.environ, "PYTHONPATH": str(ROOT)}, check=True
    )
    assert done.stdout.splitlines()[-1] == "[]"
    for name in ("demo", "tune", "serve-embedded", "rollback"):
        assert name in done.stdout


def test_importing_the_command_line_imports_no_third_party() -> None:
    code = "import sys, paragrad.cli.main; print('click' in sys.modules or 'rich' in sys.modules)"
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, env={**os.environ, "PYTHONPATH": str(ROOT)}, check=True
    )
    assert done.stdout.strip() == "False"


def test_a_reader_that_goes_away_is_no_error(tmp_path: Path) -> None:
    with started("--help", cwd=tmp_path) as process:
        assert process.stdout is not None
        process.stdout.close()
        assert process.stderr is not None
        assert "Traceback" not in process.stderr.read()


@pytest.mark.slow
def test_ctrl_c_is_clean_and_resume_is_exact(tmp_path: Path) -> None:
    whole = started("demo", "--json", cwd=tmp_path)
    out, err = whole.communicate(timeout=600)
    assert whole.returncode == 0, err
    expected = json.loads(out)
    process = started("demo", cwd=tmp_path)
    journal = tmp_path / ".paragrad/runs/2-demo/journal.db"
    assert process.stdout is not None
    for line in process.stdout:
        if line.startswith(" step 1"):
            break
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=60)
    assert process.returncode == 130
    assert "paragrad demo --resume" in err
    assert "Traceback" not in err
    assert journal.exists()
    process = started("demo", "--resume", cwd=tmp_path)
    time.sleep(3)
    process.kill()
    process.communicate()
    process = started("demo", "--resume", "--json", cwd=tmp_path)
    out, err = process.communicate(timeout=600)
    assert process.returncode == 0, err
    found = json.loads(out)
    assert found["sha256"] == expected["sha256"]
    assert found["test"] == expected["test"]


def test_serve_embedded_answers_tune(tmp_path: Path) -> None:
    from paragrad.llm.embedded.questions import counting

    rows = "".join(f'"{question}",{answer}\n' for question, answer in counting(48, 3))
    (tmp_path / "counts.csv").write_text("question,count\n" + rows)
    (tmp_path / "prompt.txt").write_text("Answer the question.\n\nQuestion: {question}\n")
    server = started("serve-embedded", "--port", "0", "--json", cwd=tmp_path)
    try:
        assert server.stdout is not None
        text = ""
        while not text.rstrip().endswith("}"):
            text += server.stdout.readline()
        url = json.loads(text)["base_url"]
        tune = started(
            "tune",
            "counts.csv",
            "--prompt",
            "prompt.txt",
            "--model",
            "embedded",
            "--base-url",
            url,
            "--budget",
            "200 calls",
            "--yes",
            "--json",
            cwd=tmp_path,
        )
        out, err = tune.communicate(timeout=120)
        assert tune.returncode == 0, err
        found = json.loads(out)
        assert found["spent"]["calls"] <= 200
        assert found["test"]["before"]["n"] == 12
    finally:
        server.send_signal(signal.SIGINT)
        server.communicate(timeout=30)
    assert server.returncode == 0
