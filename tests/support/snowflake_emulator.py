"""fakesnow's server with two things of Snowflake's that it lacks, as a program: `snowflake_emulator.py PORT FILE`.

- It takes any password; here only the right one, with the error that Snowflake has for others.
- It takes an abort of a statement and does nothing; here the statement ends.

While FILE is there, a COMMIT is carried out and its answer lost: what is before the server says HTTP 404 instead.
"""

import gzip
import json
import pathlib
import sys

import fakesnow.server as emulator
import uvicorn
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from snowflake_server import PASSWORD, USER


async def content_of(request):
    body = await request.body()
    return json.loads(gzip.decompress(body) if request.headers.get("Content-Encoding") == "gzip" else body)


async def login(request):
    given = (await content_of(request))["data"]
    if (given.get("LOGIN_NAME"), given.get("PASSWORD")) != (USER, PASSWORD):
        return JSONResponse({"data": {"nextAction": "RETRY_LOGIN", "authnMethod": "USERNAME_PASSWORD"}, "code": "390100",
                             "message": "Incorrect username or password was specified.", "success": False, "headers": None})
    return await emulator.login_request(request)


async def query(request):
    answer = await emulator.query_request(request)
    lost = (await content_of(request))["sqlText"] == "COMMIT" and pathlib.Path(sys.argv[2]).exists()
    return Response(status_code=404) if lost else answer


async def abort(request):
    emulator.to_conn(emulator.to_token(request))._duck_conn.interrupt()  # noqa: SLF001
    return JSONResponse({"success": True})


def main():
    own = {"/session/v1/login-request": login, "/queries/v1/query-request": query, "/queries/v1/abort-request": abort}
    routes = emulator.app.router.routes
    for i, route in enumerate(routes):
        if route.path in own:
            routes[i] = Route(route.path, own[route.path], methods=["POST"])
    uvicorn.run(emulator.app, host="127.0.0.1", port=int(sys.argv[1]), log_level="info")


if __name__ == "__main__":
    main()
