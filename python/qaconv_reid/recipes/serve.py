"""``qaconv serve``: a gallery in the browser."""

from __future__ import annotations

from rich.console import Console

from qaconv_reid import matcher
from qaconv_reid.gallery import open_table
from qaconv_reid.reports import say
from qaconv_reid.serve import Desk, listen, make_app, run
from qaconv_reid.serve.guard import is_loopback

__all__ = ["serve"]


def serve(source: str, place: str, *, host: str, port: int, device: str, console: Console) -> None:
    """Serve a page to search a gallery with, until Ctrl-C. Nothing is written.

    Args:
        source: as `qaconv_reid.load` takes it.
        place: of the gallery.
        host: to listen on.
        port: 0 for any that is free.
        device: where the network runs.
        console: for the address.

    Raises:
        ServeError, ConfigError, CheckpointError, GalleryError: what cannot be used.
    """
    with listen(host, port) as bound:
        open_table(place)  # none is made
        loaded = matcher.load(source, device=device)
        image = loaded.config.height, loaded.config.width
        app = make_app(Desk(loaded.gallery(place), loaded, image), host)
        if not is_loopback(host):
            say(
                console,
                f"warning: on {host} everybody who reaches this machine can search this gallery "
                "and see its images, without a password",
            )
        if not loaded.calibrated:
            say(console, "probabilities are not calibrated: qaconv calibrate RUN")
        shown = f"[{host}]" if ":" in host else host
        say(console, f"http://{shown}:{bound.getsockname()[1]}/ (Ctrl-C ends)")
        run(app, bound)
    say(console, "ended")
