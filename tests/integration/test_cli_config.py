"""`hyprstream config`, `version` and `--help` as processes."""

import subprocess

import pytest
from server_process import BINARY, clean_environment, run_hyprstream


def test_values_are_shown_with_their_origin_and_never_a_secret(tmp_path):
    (tmp_path / "token").write_text("tok-secret\n")
    config = tmp_path / "h.toml"
    config.write_text("threads = 3\nport = 1\nhost = '127.0.0.2'\n\n[users.alice]\ntoken_file = 'token'\nadmin = true\n"
                      "[users.bob]\npassword_hash = '$6$salt$hash-secret'\n")
    status, out, error = run_hyprstream(
        "config", "--config", config, "--port", 3, environment={"HYPRSTREAM_PORT": "2", "HYPRSTREAM_HOST": "127.0.0.3"})
    assert (status, error) == (0, "")
    lines = {line.split(" = ")[0]: line for line in out.splitlines() if " = " in line}
    assert lines["port"].split("#") == [lines["port"].split("#")[0], " flag --port"] and "port = 3 " in lines["port"]
    assert 'host = "127.0.0.3"' in lines["host"] and lines["host"].endswith("# environment HYPRSTREAM_HOST")
    assert lines["threads"].endswith(f"# file {config}, line 1")
    assert lines["temp_max"].endswith("# default")
    assert "alice" in out and "bob" in out and "secret" not in out and "***" in out


def test_what_config_prints_is_a_config_file(tmp_path):
    (tmp_path / "h.toml").write_text(run_hyprstream("config", "--port", 5)[1])
    status, out, _ = run_hyprstream("config", "--config", tmp_path / "h.toml")
    assert status == 0 and "port = 5" in out


def test_what_is_wrong_is_one_line(tmp_path):
    for arguments in (["config", "--port", "x"], ["config", "--prot", "1"], ["sevre"], ["sql", "--format", "xml"],
                      ["ingest", "file"], ["config", "--config", "/nowhere.toml"], ["backends"],
                      ["backends", "chekc"], ["backends", "check", "--prot", "1"]):
        status, out, error = run_hyprstream(*arguments)
        assert (status, out) == (2, "") and error.startswith("hyprstream: ") and error.count("\n") == 1, error


@pytest.mark.parametrize("option", ['pasword = "x"', 'pool_max = "abc"', 'statement_timeout = "1 fortnight"'])
def test_what_serve_refuses_of_a_backend_config_refuses_too(tmp_path, option):
    config = tmp_path / "h.toml"
    config.write_text(f'[backends.shop]\ndriver = "sqlite"\nuri = "file:shop.sqlite"\n{option}\n')
    status, out, error = run_hyprstream("config", "--config", config)
    assert (status, out) == (2, "") and error.startswith("hyprstream: [backends.shop]: ") and error.count("\n") == 1
    assert run_hyprstream("serve", "--port", 0, "--config", config) == (status, out, error)


def test_a_flag_switches_off_what_the_environment_switched_on():
    status, out, error = run_hyprstream("config", "--insecure=false", "--core-dumps=no",
                                        environment={"HYPRSTREAM_INSECURE": "true", "HYPRSTREAM_CLIENT_ATTACH": "yes"})
    assert (status, error) == (0, "")
    for line in ("insecure = false", "core_dumps = false", "client_attach = true"):
        assert line in out


@pytest.mark.parametrize("arguments", [["config"], ["version"], ["--help"]])
def test_what_cannot_be_printed_is_an_error(arguments):
    with open("/dev/full", "w") as full:
        done = subprocess.run([BINARY, *arguments], stdout=full, stderr=subprocess.PIPE, text=True, timeout=60,
                              env=clean_environment())
    assert (done.returncode, done.stderr) == (1, "hyprstream: Cannot write to standard output: No space left on device\n")


@pytest.mark.parametrize("arguments", [[], ["serve"], ["sql"], ["ingest"], ["config"], ["version"], ["backends"],
                                       ["backends", "check"]])
def test_help_is_everywhere(arguments):
    status, out, error = run_hyprstream(*arguments, "--help")
    assert (status, error) == (0, "")
    assert "hyprstream" in out and "--help" in out
    assert max(map(len, out.splitlines())) <= 240


def test_the_version_has_two_spellings():
    assert run_hyprstream("version") == run_hyprstream("--version")
    assert run_hyprstream("version")[1].startswith("hyprstream ")
