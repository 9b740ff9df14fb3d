"""The routes: what comes in is checked, what goes out is described, the rest is the desk's."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

from fastapi import FastAPI, Query, Request
from fastapi import Path as PathParameter
from fastapi.exceptions import RequestValidationError
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.responses import JSONResponse, Response

from qaconv_ext import __version__
from qaconv_reid.gallery import GalleryError
from qaconv_reid.serve import schemas
from qaconv_reid.serve.desk import Desk
from qaconv_reid.serve.guard import Guard
from qaconv_reid.serve.images import MAX_BYTES, TYPES, decoded
from qaconv_reid.serve.problem import Refused

__all__ = ["make_app"]

_PAGE = Path(__file__).parent / "page"
_MOST = 100
#: Whole numbers of a table have 64 bits.
_NUMBER = 2**63 - 1

_Responses = dict[int | str, dict[str, Any]]


def _problems(*statuses: int) -> _Responses:
    return {status: {"model": schemas.Problem} for status in statuses}


_PROBLEMS = _problems(400, 403, 404, 422)
_UPLOAD_PROBLEMS = _problems(400, 403, 413, 415)
_UPLOAD = {
    "requestBody": {
        "required": True,
        "content": {kind: {"schema": {"type": "string", "format": "binary"}} for kind in TYPES},
    }
}
_JPEG: _Responses = {200: {"content": {"image/jpeg": {}}}, **_PROBLEMS}

_Seconds = Annotated[float | None, Query(allow_inf_nan=False)]
_Number = Annotated[int, PathParameter(ge=-_NUMBER, le=_NUMBER)]
_Camera = Annotated[int, Query(ge=-_NUMBER, le=_NUMBER)] | Literal["unknown"]


def make_app(desk: Desk, host: str = "127.0.0.1") -> FastAPI:
    """The application.

    Args:
        desk: that answers.
        host: that it listens on; requests that name another one are refused.
    """
    app = FastAPI(
        title="qaconv serve",
        version=__version__,
        description="Search a gallery of people with an image, and see why images match.",
        openapi_url="/api/openapi.json",
        # Their pages fetch scripts from elsewhere.
        docs_url=None,
        redoc_url=None,
    )
    _answer_errors(app)
    _serve_page(app)

    @app.get("/api/gallery", responses=_PROBLEMS)
    def gallery() -> schemas.Facts:
        """What is searched, and with what."""
        return desk.facts()

    @app.post("/api/queries", status_code=201, responses=_UPLOAD_PROBLEMS, openapi_extra=_UPLOAD)
    async def ask(request: Request) -> schemas.Query:
        """Take in an image to search with."""
        data = await _body(request)
        return await run_in_threadpool(lambda: desk.ask(decoded(data)))

    @app.post("/api/rows/{number}/query", status_code=201, responses=_PROBLEMS)
    def ask_row(number: _Number) -> schemas.Query:
        """Take in an image of the gallery to search with."""
        return desk.ask_row(number)

    @app.get("/api/queries/{query}/ranking", responses=_PROBLEMS)
    def rank(
        query: str,
        k: Annotated[int, Query(ge=1, le=_MOST)] = 12,
        camera: Annotated[list[_Camera], Query(max_length=1000)] = [],  # noqa: B006
        after: _Seconds = None,
        before: _Seconds = None,
    ) -> schemas.Ranking:
        """The rows that match a query best: of these cameras, from ``after`` to ``before``."""
        cameras = [None if isinstance(name, str) else name for name in camera]
        return desk.rank(query, k, cameras, after, before)

    @app.get("/api/queries/{query}/rows/{number}", responses=_PROBLEMS)
    def why(query: str, number: _Number, plain: bool = False) -> schemas.Pair:
        """A pair's score taken apart: beside an ordinary pair, or ``plain``, weight × maximum."""
        return desk.why(query, number, plain=plain)

    @app.get("/api/queries/{query}/image", response_class=Response, responses=_JPEG)
    def query_image(query: str) -> Response:
        """The image of a query."""
        return Response(desk.query_image(query), media_type="image/jpeg")

    @app.get("/api/rows/{number}/image", response_class=Response, responses=_JPEG)
    def row_image(number: _Number) -> Response:
        """The image of a row."""
        return Response(desk.row_image(number), media_type="image/jpeg")

    app.add_middleware(Guard, host=host)
    return app


async def _body(request: Request) -> bytes:
    """The upload, never more of it than is allowed."""
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind not in TYPES:
        wanted = ", ".join(TYPES)
        raise Refused(415, f"Content-Type: got {kind or 'none'}, wanted one of {wanted}")
    too_large = Refused(413, f"image: got too many bytes, wanted at most {MAX_BYTES:,}")
    told = request.headers.get("content-length", "0")
    if told.isdecimal() and int(told) > MAX_BYTES:
        raise too_large
    data = bytearray()
    async for chunk in request.stream():
        data += chunk
        if len(data) > MAX_BYTES:
            raise too_large
    return bytes(data)


def _serve_page(app: FastAPI) -> None:
    """The files of the page, read once: no request names a file."""
    for location, name, kind in (
        ("/", "index.html", "text/html"),
        ("/serve.css", "serve.css", "text/css"),
        ("/serve.js", "serve.js", "text/javascript"),
        ("/why.js", "why.js", "text/javascript"),
        ("/icon.svg", "icon.svg", "image/svg+xml"),
    ):
        content = (_PAGE / name).read_bytes()

        def answer(_: Request, content: bytes = content, kind: str = kind) -> Response:
            return Response(content, media_type=kind)

        app.router.add_route(location, answer, include_in_schema=False)


def _answer_errors(app: FastAPI) -> None:
    """Every error is one sentence, as `schemas.Problem`."""

    @app.exception_handler(Refused)
    def refused(_: Request, error: Refused) -> JSONResponse:
        return _problem(error.status, str(error))

    @app.exception_handler(GalleryError)
    def unusable(_: Request, error: GalleryError) -> JSONResponse:
        return _problem(400, str(error))

    @app.exception_handler(RequestValidationError)
    def invalid(_: Request, error: RequestValidationError) -> JSONResponse:
        first: Mapping[str, Any] = error.errors()[0]
        name = str(first["loc"][1] if len(first["loc"]) > 1 else first["loc"][0])
        wanted = str(first["msg"]).removeprefix("Input should be ")
        return _problem(422, f"{name}: got {first['input']!r}, wanted {wanted}")

    @app.exception_handler(HTTPException)
    def unknown(request: Request, error: HTTPException) -> JSONResponse:
        told = f"{request.method} {request.url.path}: {str(error.detail).lower()}"
        return _problem(error.status_code, told)

    @app.exception_handler(Exception)
    def broken(_: Request, error: Exception) -> JSONResponse:
        told = f"this is a fault of the program ({type(error).__name__}): its log says more"
        return _problem(500, told)


def _problem(status: int, sentence: str) -> JSONResponse:
    return JSONResponse({"error": sentence}, status)
