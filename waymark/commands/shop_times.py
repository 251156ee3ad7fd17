"""Times of jobs as the clock of their shop shows them."""

from collections.abc import Callable

from waymark.output import when
from waymark.session import Session


def shop_times(session: Session) -> Callable[[str | None, str], str]:
    """Of an ISO time of the API and the shop's name. A shop that is called otherwise by now has this machine's zone."""
    shops = [] if session.out.as_json else session.client.get("/shops")["shops"]  # JSON keeps the API's times
    zones = {shop["name"]: shop["zone"] for shop in shops}
    return lambda moment, shop: when(moment, zones.get(shop))
