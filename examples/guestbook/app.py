# SPDX-License-Identifier: Apache-2.0
"""A guestbook: the smallest web application that keeps something."""

import threading

from flask import Flask, jsonify, redirect, render_template, request

import database

VERSION = "1"

NAME_MAX = 80
MESSAGE_MAX = 500
SHOWN = 50

app = Flask(__name__)
app.config["MAX_CONTENT_LENGTH"] = 16 * 1024
# gunicorn gives each worker threads; psycopg2's pool says "exhausted" rather than waiting.
database_slots = threading.BoundedSemaphore(database.CONNECTIONS_MAX)


@app.get("/")
def page():
    with database_slots:
        entries = database.newest(SHOWN)
    return render_template("page.html", entries=entries, version=VERSION, name_max=NAME_MAX, message_max=MESSAGE_MAX)


@app.get("/entries")
def list_entries():
    with database_slots:
        entries = database.newest(SHOWN)
    return jsonify([entry | {"written_at": entry["written_at"].isoformat()} for entry in entries])


@app.post("/entries")
def add_entry():
    fields = request.get_json(silent=True) if request.is_json else request.form
    if not isinstance(fields, dict) and fields is not request.form:
        return problem("the body is a form or a JSON object with name and message")
    name, message = (str(fields.get(key) or "").replace("\0", "").strip() for key in ("name", "message"))
    if not 1 <= len(name) <= NAME_MAX:
        return problem(f"name has 1 to {NAME_MAX} characters")
    if not 1 <= len(message) <= MESSAGE_MAX:
        return problem(f"message has 1 to {MESSAGE_MAX} characters")
    with database_slots:
        identifier = database.add(name, message)
    if request.is_json:
        return jsonify(id=identifier), 201
    return redirect("/", code=303)


@app.get("/healthz")
def health():
    return "ok\n"


@app.get("/version")
def version():
    return f"{VERSION}\n"


def problem(text):
    return jsonify(error=text), 422
