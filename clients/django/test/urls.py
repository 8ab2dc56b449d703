"""The views of README.md, and views for the tests."""
import readme_views as readme
from asgiref.sync import sync_to_async
from django.db import connection, transaction
from django.http import HttpResponse, JsonResponse, StreamingHttpResponse
from django.template.response import SimpleTemplateResponse
from django.urls import path


readme.correct = lambda user, code: code == "123"


def one(sql):
    with connection.cursor() as cursor:
        cursor.execute(sql)
        return cursor.fetchone()[0]


def who(request):
    return HttpResponse(str(one("SELECT session_user_id()")))


async def who_async(request):
    first = await sync_to_async(one)("SELECT session_user_id()")
    second = await sync_to_async(one)("SELECT session_user_id()")
    return HttpResponse(f"{first} {second}")


class Late(SimpleTemplateResponse):
    """Is rendered after the view has returned."""

    def __init__(self):
        super().__init__("")

    @property
    def rendered_content(self):
        return str(one("SELECT session_user_id()"))


def fail(request):
    one("INSERT INTO note (body) VALUES ('of a view that failed') RETURNING 1")
    raise RuntimeError("the view failed")


def fail_after_login(request):
    from django.contrib.auth import get_user_model, login
    login(request, get_user_model().objects.get(username="ben"))
    raise RuntimeError("the view failed")


def switch(request):
    from django.contrib.auth import get_user_model, login
    login(request, get_user_model().objects.get(username="ben"))
    return HttpResponse(status=204)


def switch_now(request):
    switch(request)
    request.session.save()
    readme.bind(request.session)
    return who(request)


def slow(request):
    """Is revoked while it runs, and changes its session."""
    request.session["cart"]
    one(f"SELECT session_revoke_mine('{request.session.id}')")
    request.session["cart"] = ["late"]
    return HttpResponse(status=204)


def stream(request):
    return StreamingHttpResponse(str(one("SELECT session_user_id()")) for _ in range(1))


@transaction.non_atomic_requests
def exempt(request):
    return HttpResponse(f"{connection.in_atomic_block} {one('SELECT session_user_id()')}")


def error(request):
    return HttpResponse(f"{connection.in_atomic_block} {one('SELECT session_user_id()')}",
                        status=500)


handler500 = error

urlpatterns = [
    path("login", readme.log_in), path("logout", readme.log_out),
    path("add/<item>", readme.add), path("notes", readme.notes),
    path("count", readme.count), path("devices", readme.devices),
    path("who", who), path("who_async", who_async), path("late", lambda request: Late()),
    path("fail", fail), path("fail_after_login", fail_after_login), path("switch", switch),
    path("switch_now", switch_now), path("slow", slow), path("stream", stream),
    path("exempt", exempt), path("everywhere", readme.log_out_everywhere),
    path("pay", readme.pay), path("second", readme.second_factor),
]
