"""What a service may do, what it can see, and where secrets are: of the containers as they run, and of their images."""

import json

import pytest
from tests.support.stack import OURS, ROOT, SERVICES, Stack

pytestmark = [pytest.mark.compose, pytest.mark.timeout(600)]

MOUNTS = {
    "mosquitto": {"broker-config": False, "broker-data": True},
    "influxdb": {
        "influxdb-data": True,
        "influxdb-config": True,
        "influxdb-backup": True,
        "secrets-influxdb": False,
    },
    "ingest": {"secrets-ingest": False, "ingest-state": True},
    "web": {"secrets-web": False},
    "sensor-node": {"secrets-node": False, "node-outbox": True},
}
"""Which volumes a service has, and whether it may write there."""


@pytest.mark.parametrize("service", SERVICES)
def test_a_service_is_no_root_and_can_change_nothing_but_its_data(stack: Stack, service: str) -> None:
    about = stack.inspect(service)
    host = about["HostConfig"]
    assert host["ReadonlyRootfs"]
    assert host["CapDrop"] == ["ALL"]
    assert not host["CapAdd"]
    assert not host["Privileged"]
    assert any(option.startswith("no-new-privileges") for option in host["SecurityOpt"])
    assert host["Memory"] > 0
    assert host["NanoCpus"] > 0
    assert host["PidsLimit"] > 0
    assert host["RestartPolicy"]["Name"] == "unless-stopped"
    assert int(stack.exec(service, "id", "-u")) >= 1000
    for place in ("/", "/etc", "/usr/bin"):
        tried = stack.run("docker", "compose", "exec", "-T", service, "touch", f"{place}/x", checks=False)
        assert "read-only file system" in tried.stderr.lower() + tried.stdout.lower()


@pytest.mark.parametrize("service", SERVICES)
def test_a_service_has_its_own_volumes_and_no_others(stack: Stack, service: str) -> None:
    mounts = stack.inspect(service)["Mounts"]
    seen = {m["Name"].removeprefix(f"{stack.name}_"): m["RW"] for m in mounts if m["Type"] == "volume"}
    assert seen == MOUNTS[service]
    assert {m["Type"] for m in mounts} <= {"volume", "tmpfs"}, "nothing of the machine's own folders"


def test_only_the_dashboard_is_published_and_only_to_this_machine(stack: Stack) -> None:
    done = stack.run("docker", "compose", "-f", "docker-compose.yml", "config", "--format", "json")
    services = json.loads(done.stdout)["services"]
    ports = {name: s["ports"] for name, s in services.items() if s.get("ports")}
    assert list(ports) == ["web"]
    assert [p["host_ip"] for p in ports["web"]] == ["127.0.0.1"]
    networks = json.loads(done.stdout)["networks"]
    assert [name for name, n in networks.items() if not n.get("internal")] == ["published"]
    assert [name for name, s in services.items() if "published" in (s.get("networks") or {})] == ["web"]


def test_every_secret_is_made_here_and_no_two_are_the_same(stack: Stack) -> None:
    secrets = stack.secrets()
    assert len(secrets) >= 11
    assert len(set(secrets.values())) == len(secrets)
    assert min(map(len, secrets.values())) >= 32


# InfluxDB itself keeps every token that it has made.
@pytest.mark.parametrize("service", [s for s in SERVICES if s != "influxdb"])
def test_a_service_sees_no_secret_of_another_and_no_operator_token(stack: Stack, service: str) -> None:
    folder = "secrets-node/" if service == "sensor-node" else f"secrets-{service}/"
    secrets = stack.secrets()
    own = [value for name, value in secrets.items() if name.startswith(folder)]
    others = [value for name, value in secrets.items() if not name.startswith(folder)]
    search = "grep -rlF -f - /run /var/lib /mosquitto /etc /opt /tmp /home /proc/1/environ 2>/dev/null; true"
    assert stack.exec(service, "sh", "-c", search, stdin="\n".join(others) + "\n") == ""
    if own:
        # The search does find what is there.
        assert "/run/" in stack.exec(service, "sh", "-c", search, stdin="\n".join(own) + "\n")


def test_the_token_of_ingest_cannot_make_others(stack: Stack) -> None:
    ask = (
        "import urllib.request as r, urllib.error as e\n"
        "t=open('/run/sensorline/influxdb-token').read()\n"
        "for p in ('authorizations','users','orgs'):\n"
        "    q=r.Request('http://influxdb:8086/api/v2/'+p, headers={'Authorization':'Token '+t})\n"
        "    import json; print(p, [len(v) for k,v in json.load(r.urlopen(q)).items() if isinstance(v,list)])\n"
    )
    said = stack.exec("ingest", "python", "-c", ask)
    assert said.splitlines() == ["authorizations [0]", "users [0]", "orgs [0]"], said


def test_no_secret_is_in_what_docker_shows_or_in_a_log(stack: Stack) -> None:
    secrets = stack.secrets()
    ids = stack.compose("ps", "--all", "--quiet").split()
    told = (
        stack.run("docker", "inspect", *ids).stdout + stack.run("docker", "top", ids[0], checks=False).stdout
    )
    assert [name for name, value in secrets.items() if value in told] == []
    logs = stack.logs(*SERVICES, "influx-setup")
    assert len(logs) > 1000
    assert [name for name, value in secrets.items() if value in logs] == []
    first = stack.logs("init")
    shown = {name for name, value in secrets.items() if value in first}
    assert shown <= {"secrets-influxdb/password", "secrets-admin/mqtt-password"}


@pytest.mark.parametrize("service", OURS)
def test_an_image_has_no_secret_no_compiler_and_says_what_it_is(stack: Stack, service: str) -> None:
    image = f"sensorline-{service}:{stack.name}"
    about = json.loads(stack.run("docker", "image", "inspect", image).stdout)[0]["Config"]
    assert about["User"] == "10001:10001"
    assert about["Healthcheck"]["Test"]
    assert about["Labels"]["org.opencontainers.image.licenses"] == "MIT"
    assert about["Labels"]["org.opencontainers.image.title"].startswith("Sensorline")
    secrets = stack.secrets()
    history = stack.run("docker", "image", "history", "--no-trunc", image).stdout
    assert [name for name, value in secrets.items() if value in history + json.dumps(about)] == []
    look = (
        (
            "for c in gcc cc g++ make npm node git; do command -v $c; done;"
            "find / -xdev ( -name .env -o -name passwd -path '*mosquitto*' -o -name '*.key' -o -name '*.token' -o -name .git ) -not -path '/proc/*';"
            "grep -rlF -f - /opt/sensorline /var/lib/sensorline /tmp /root 2>/dev/null; true"
        )
        .replace("( ", "\\( ")
        .replace(" )", " \\)")
    )
    found = stack.run("docker", "run", "--rm", "-i", "--network", "none", "--user", "0", "--entrypoint", "sh", image,
                      "-c", look, stdin="\n".join(secrets.values()) + "\n").stdout  # fmt: skip
    assert found == ""


def test_what_is_not_named_never_reaches_a_build() -> None:
    lines = [line for line in (ROOT / ".dockerignore").read_text().splitlines() if line and line[0] != "#"]
    assert lines[0] == "*", "everything is left out but what follows"
    named = {line[1:].split("/")[0] for line in lines if line.startswith("!")}
    assert named == {
        "LICENSE", "README.md", "pyproject.toml", "mosquitto", "packages", "requirements", "services", "deploy"
    }  # fmt: skip
