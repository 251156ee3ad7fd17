"""The codes of a print batch as its page lists them. Pure."""

from collections.abc import Sequence
from typing import Final
from urllib.parse import urlencode

from codes.batches import Batch
from codes.register import Code
from dashboard.addresses import code_path
from dashboard.asked_code import other_domain
from dashboard.organise_views import MembersView, MemberView

SHOWN: Final = 200


def members_view(batch: Batch, codes: Sequence[Code]) -> MembersView:
    shown = tuple(
        MemberView(code.code, code.domain, code.name, code_path(code.code, other_domain(code)))
        for code in codes[:SHOWN]
    )
    labels = f"/labels?{urlencode({'by': 'batch', 'which': batch.name})}"
    return MembersView(shown, len(codes) - len(shown), batch.printed, labels)
