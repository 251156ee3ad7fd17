"""The public side with a certificate of its own, through the real process: https answers, a renewed one is taken up."""

import os
import shutil
import ssl
import subprocess
from pathlib import Path

import httpx2
import pytest

from tests.running import Running, wait_for


def make_certificate(folder: Path, name: str) -> None:
    """tls.crt and tls.key for localhost, replaced in place as renewal tools do it."""
    request = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"]
    names = ["-subj", f"/CN={name}", "-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1", "-days", "2"]
    files = ["-keyout", str(folder / "tls.key"), "-out", str(folder / "tls.crt")]
    subprocess.run([*request, *names, *files], check=True, capture_output=True)


def served_certificate(waymark: Running) -> str:
    return ssl.get_server_certificate(("127.0.0.1", waymark.public_port))


@pytest.fixture
def waymark(tmp_path: Path) -> Running:
    if not shutil.which("openssl"):
        reason = "openssl is not installed; it makes the certificate for this test"
        if os.environ.get("WAYMARK_REQUIRE_ALL") == "1":
            pytest.fail(reason)
        pytest.skip(reason)
    make_certificate(tmp_path, "first.example")
    running = Running(tmp_path)
    tls = f'tls_cert = "{tmp_path / "tls.crt"}"\ntls_key = "{tmp_path / "tls.key"}"\n'
    running.config.write_text(running.config.read_text().replace("[public]\n", f"[public]\n{tls}"))
    return running


@pytest.mark.slow
@pytest.mark.ci
@pytest.mark.together
def test_codes_answer_over_https_and_a_renewed_certificate_is_used(waymark: Running) -> None:
    with waymark:
        code = waymark.cli_json("code", "add", "https://example.com/", "--slug", "secure")
        assert code["short_url"] == f"https://localhost:{waymark.public_port}/secure"
        trust = ssl.create_default_context(cafile=str(waymark.folder / "tls.crt"))
        answer = httpx2.get(code["short_url"], verify=trust, trust_env=False)
        assert (answer.status_code, answer.headers["location"]) == (302, "https://example.com/")

        before = served_certificate(waymark)
        make_certificate(waymark.folder, "second.example")
        wait_for(lambda: served_certificate(waymark) != before, "the renewed certificate being served")
        assert served_certificate(waymark).strip() == (waymark.folder / "tls.crt").read_text().strip()
