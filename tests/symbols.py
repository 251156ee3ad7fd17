"""What a phone's camera reads of a picture: QR symbols alone, since bars between modules may look like another kind."""

from typing import Any

import zxingcpp


def read_symbols(image: Any) -> list[Any]:
    return list(zxingcpp.read_barcodes(image, formats=zxingcpp.BarcodeFormats(zxingcpp.BarcodeFormat.QRCode)))
