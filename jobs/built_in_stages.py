"""The stages that come with Waymark, for five trades, with what customers read of them in every language. Only data."""

from typing import Any, Final

Written = dict[str, Any]


def _stage(
    key: str, name: str, phase: str, hours: float | None, public: tuple[str, str, str, str], *, optional: bool = False
) -> Written:
    """``public`` in English, Spanish, French and Arabic; ``hours`` are working hours."""
    texts = dict(zip(("en", "es", "fr", "ar"), public, strict=True))
    return {"key": key, "name": name, "public": texts, "phase": phase, "hours": hours, "optional": optional}


_REPAIR: Final = [
    _stage("intake", "Intake", "waiting", 4, ("Received", "Recibido", "Reçu", "تم الاستلام")),
    _stage(
        "diagnosis",
        "Diagnosis",
        "working",
        8,
        ("Being examined", "En diagnóstico", "En cours de diagnostic", "قيد الفحص"),
    ),
    _stage(
        "approval",
        "Waiting for approval",
        "waiting",
        8,
        (
            "Waiting for your approval",
            "A la espera de su aprobación",
            "En attente de votre accord",
            "بانتظار موافقتكم",
        ),
        optional=True,
    ),
    _stage(
        "parts",
        "Waiting for parts",
        "waiting",
        24,
        ("Waiting for parts", "A la espera de piezas", "En attente de pièces", "بانتظار قطع الغيار"),
        optional=True,
    ),
    _stage("repair", "In repair", "working", 8, ("In repair", "En reparación", "En réparation", "قيد الإصلاح")),
    _stage(
        "quality",
        "Quality check",
        "working",
        2,
        ("Final check", "Control final", "Contrôle final", "الفحص النهائي"),
    ),
    _stage(
        "ready",
        "Ready for pick-up",
        "ready",
        None,
        ("Ready for pick-up", "Listo para recoger", "Prêt à être retiré", "جاهز للاستلام"),
    ),
    _stage("picked-up", "Picked up", "done", None, ("Picked up", "Recogido", "Retiré", "تم التسليم")),
]

_ORDER: Final = [
    _stage(
        "received",
        "New order",
        "waiting",
        4,
        ("Order received", "Pedido recibido", "Commande reçue", "تم استلام الطلب"),
    ),
    _stage(
        "payment",
        "Waiting for payment",
        "waiting",
        None,
        ("Waiting for payment", "A la espera del pago", "En attente de paiement", "بانتظار الدفع"),
        optional=True,
    ),
    _stage(
        "stock",
        "Out of stock",
        "waiting",
        40,
        ("Waiting for stock", "A la espera de existencias", "En attente de stock", "بانتظار توفّر المنتج"),
        optional=True,
    ),
    _stage(
        "preparing",
        "Picking",
        "working",
        8,
        ("Being prepared", "En preparación", "En cours de préparation", "قيد التجهيز"),
    ),
    _stage("packing", "Packing", "working", 2, ("Being packed", "Embalando", "En cours d'emballage", "قيد التغليف")),
    _stage(
        "ready",
        "Ready for collection",
        "ready",
        None,
        ("Ready for collection", "Listo para recoger", "Prête à être retirée", "جاهز للاستلام"),
    ),
    _stage("collected", "Collected", "done", None, ("Collected", "Recogido", "Retirée", "تم الاستلام من قِبلكم")),
]

_PARCEL: Final = [
    _stage(
        "registered",
        "Registered",
        "waiting",
        4,
        ("Announced", "Anunciado", "Annoncé", "تم التسجيل"),
    ),
    _stage(
        "accepted",
        "Accepted",
        "working",
        4,
        ("Handed over to us", "Recibido por nosotros", "Pris en charge", "تم تسلّم الطرد"),
    ),
    _stage("transit", "In transit", "working", 24, ("On its way", "En camino", "En chemin", "في الطريق")),
    _stage(
        "customs",
        "Customs",
        "waiting",
        24,
        ("At customs", "En la aduana", "En douane", "لدى الجمارك"),
        optional=True,
    ),
    _stage(
        "out",
        "Out for delivery",
        "working",
        8,
        ("Out for delivery", "En reparto", "En cours de livraison", "خرج للتوصيل"),
    ),
    _stage(
        "failed",
        "Delivery failed",
        "waiting",
        8,
        (
            "Delivery attempted, we will try again",
            "Entrega intentada; lo intentaremos de nuevo",
            "Livraison tentée, nous réessaierons",
            "تعذّر التسليم وسنحاول مرة أخرى",
        ),
        optional=True,
    ),
    _stage(
        "pick-up-point",
        "At pick-up point",
        "ready",
        None,
        (
            "Ready at the pick-up point",
            "Listo en el punto de recogida",
            "Disponible au point de retrait",
            "جاهز في نقطة الاستلام",
        ),
        optional=True,
    ),
    _stage("delivered", "Delivered", "done", None, ("Delivered", "Entregado", "Livré", "تم التوصيل")),
]

_TICKET: Final = [
    _stage("new", "New", "waiting", 4, ("Received", "Recibida", "Reçue", "تم استلام طلبكم")),
    _stage(
        "triage", "Triage", "working", 4, ("Being assigned", "En asignación", "En cours d'attribution", "قيد الإسناد")
    ),
    _stage(
        "work", "In progress", "working", 16, ("Being worked on", "En curso", "En cours de traitement", "قيد المعالجة")
    ),
    _stage(
        "customer",
        "Waiting for customer",
        "waiting",
        None,
        (
            "Waiting for your answer",
            "A la espera de su respuesta",
            "En attente de votre réponse",
            "بانتظار ردّكم",
        ),
        optional=True,
    ),
    _stage(
        "solved",
        "Solved, to be confirmed",
        "ready",
        None,
        ("Solved, please check", "Resuelta; compruébelo", "Résolue, à vérifier", "تم الحل، يُرجى التأكد"),
    ),
    _stage("closed", "Closed", "done", None, ("Closed", "Cerrada", "Clôturée", "مغلق")),
]

_BRIEF: Final = [
    _stage(
        "brief", "Brief received", "waiting", 8, ("Brief received", "Encargo recibido", "Brief reçu", "تم استلام الطلب")
    ),
    _stage("concept", "Concept", "working", 24, ("Concept", "Concepto", "Conception", "إعداد الفكرة")),
    _stage("draft", "Draft", "working", 40, ("First draft", "Primer borrador", "Première ébauche", "المسودة الأولى")),
    _stage(
        "review",
        "Client review",
        "waiting",
        16,
        ("Your review", "Su revisión", "Votre relecture", "مراجعتكم"),
    ),
    _stage(
        "revision", "Revision", "working", 16, ("Being revised", "En revisión", "En cours de révision", "قيد التعديل")
    ),
    _stage(
        "final",
        "Final artwork",
        "working",
        8,
        ("Final version", "Versión final", "Version finale", "النسخة النهائية"),
    ),
    _stage(
        "ready",
        "Ready to hand over",
        "ready",
        None,
        ("Ready for you", "Listo para usted", "Prêt pour vous", "جاهز لكم"),
    ),
    _stage("handed-over", "Handed over", "done", None, ("Handed over", "Entregado", "Remis", "تم التسليم")),
]

BUILT_IN_KINDS: Final[dict[str, tuple[str, list[Written]]]] = {
    "repair": ("Repair", _REPAIR),
    "order": ("Order", _ORDER),
    "parcel": ("Parcel", _PARCEL),
    "ticket": ("Ticket", _TICKET),
    "brief": ("Brief", _BRIEF),
}
