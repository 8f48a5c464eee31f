# SPDX-License-Identifier: Apache-2.0
"""A secret's value is where the app runs and nowhere else."""

from support.secrecy import assert_nowhere

SENTINEL = "sentinel-3f9c1d77a0"


def test_secret_variable_is_in_the_app_and_nowhere_else(platform):
    app = platform.new_app("keeper")
    status, document = platform.api(
        "PUT", f"{app.environment_path}/variables/API_KEY", {"value": SENTINEL, "isSecret": True})
    assert status in (200, 201, 204), document
    output = app.push_ok()
    assert app.get("/env/API_KEY").text == SENTINEL

    assert SENTINEL not in output
    assert SENTINEL not in str(platform.api("GET", f"{app.environment_path}/variables")[1])
    for arguments in (("env", "list"), ("status",), ("deployments",), ("logs",)):
        for form in ((), ("--json",)):
            assert SENTINEL not in app.client.slipway(*arguments, "--app", app.reference, *form)
    assert SENTINEL not in app.log(app.latest()["id"])
    assert_nowhere(platform, SENTINEL)


def test_secret_set_by_the_command_line_is_sealed(platform, tiny):
    value = SENTINEL + "-by-hand"
    file = platform.folder / "by-hand"
    file.write_text(value + "\n")
    tiny.client.slipway("env", "set", "--secret", f"BY_HAND=@{file}", "--app", tiny.reference, seconds=180)
    tiny.await_deployment()
    assert tiny.get("/env/BY_HAND").text == value
    assert_nowhere(platform, value)


def test_database_password_of_an_app_is_nowhere(platform):
    app = platform.new_app("keeper-db")
    app.write("slipway.yaml", (app.folder / "slipway.yaml").read_text()
              + "services: { db: postgresql:15 }\nrelationships: { DATABASE_URL: db }\n")
    app.push_ok()
    url = app.get("/env/DATABASE_URL").text
    password = url.partition("://")[2].rpartition("@")[0].partition(":")[2]
    assert len(password) >= 16, "the app got no password"
    assert_nowhere(platform, password)
