# A part of an application with Flask, and a browser with Device Bound Session
# Credentials, whose key is in the hands of openssl.
import base64
import json
import os
import re
import subprocess
import tempfile

import psycopg
from flask import Flask, jsonify, make_response, request
from psycopg.rows import dict_row

app = Flask(__name__)
connection = psycopg.connect(autocommit=True, row_factory=dict_row)
BLOCK

def encode(data):
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()

def openssl(*arguments, **options):
    return subprocess.run(["openssl", *arguments], check=True, capture_output=True, **options).stdout

with tempfile.TemporaryDirectory() as folder:
    key = os.path.join(folder, "key.pem")
    openssl("genpkey", "-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256", "-out", key)
    point = openssl("pkey", "-in", key, "-pubout", "-outform", "DER")[-64:]
    jwk = {"kty": "EC", "crv": "P-256", "x": encode(point[:32]), "y": encode(point[32:])}

    def sign(payload, **header):
        text = ".".join(encode(json.dumps(part).encode()) for part in
                        ({"alg": "ES256", "typ": "dbsc+jwt", **header}, payload))
        der = openssl("dgst", "-sha256", "-sign", key, input=text.encode())
        length = der[3]
        numbers = der[4:4 + length], der[6 + length:]
        raw = b"".join(n.lstrip(b"\0").rjust(32, b"\0") for n in numbers)
        return f"{text}.{encode(raw)}"

    client = app.test_client(use_cookies=False)
    token = os.environ["COOKIE"].split("__Host-session=")[1]
    cookie = {"Cookie": os.environ["COOKIE"]}
    header = connection.execute("SELECT session_dbsc_offer(%s, '/dbsc/register') AS offer", [token]).fetchone()["offer"]
    offer = dict(re.findall(r';(\w+)="([^"]*)"', header))
    assert client.post("/dbsc/register", headers={**cookie, "Secure-Session-Response": "x"}).status_code == 400
    response = client.post("/dbsc/register", headers={**cookie, "Secure-Session-Response": sign(
        {"jti": offer["challenge"], "authorization": offer["authorization"]}, jwk=jwk)})
    assert response.status_code == 200, response.data
    about = {"Sec-Secure-Session-Id": f'"{response.json["session_identifier"]}"'}
    response = client.post(response.json["refresh_url"], headers=about)
    assert response.status_code == 403
    challenge = response.headers["Secure-Session-Challenge"].split('"')[1]
    response = client.post("/dbsc/refresh", headers={**about, "Secure-Session-Response": sign({"jti": challenge})})
    assert response.status_code == 200 and response.headers["Secure-Session-Challenge"]
    bound = re.match("__Host-session-bound=([^;]*)", response.headers["Set-Cookie"])[1]
    # For a moment the token alone is accepted. The superuser ends that.
    with psycopg.connect(user="postgres") as superuser:
        superuser.execute("UPDATE session.sessions SET bound_at = bound_at - interval '1 hour'"
                          " WHERE bound_by IS NOT NULL")
    assert connection.execute("SELECT session_status(%s) = 'unbound' AND session_status(%s, bound_cookie => %s) = 'active' AS good",
                              [token, token, bound]).fetchone()["good"]
