from __future__ import annotations

import subprocess
import sys


def test_the_engine_is_imported_without_the_sdk() -> None:
    """`status`, `destroy` and `state` need neither the SDK (0.55 s) nor cryptography."""
    code = "import sys, envctl.engine.embedded.engine; print(sorted({m.split('.')[0] for m in sys.modules}))"
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    loaded = set(ended.stdout.strip("[]\n").replace("'", "").split(", "))
    assert "envctl" in loaded
    assert not loaded & {"pulumi", "grpc", "google", "cryptography", "pydantic", "asyncio"}
