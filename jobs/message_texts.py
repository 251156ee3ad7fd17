"""The messages that come with Waymark, in every language. Only data: short, without grammar that hangs on the item's gender."""

from typing import Final, Literal, NamedTuple, get_args

Event = Literal["created", "moved", "estimated", "ready", "late", "delivered"]
Channel = Literal["sms", "whatsapp", "email"]
EVENTS: Final[tuple[Event, ...]] = get_args(Event)
CHANNELS: Final[tuple[Channel, ...]] = get_args(Channel)


class Written(NamedTuple):
    subject: str
    sentence: str


class Wording(NamedTuple):
    """``short`` frames a sentence for an SMS; ``greeting`` and ``follow`` stand around it elsewhere. ``no_date`` is said
    for a date that nobody knows yet; ``item`` and ``customer`` are for samples.
    """

    short: str
    greeting: str
    follow: str
    no_date: str
    item: str
    customer: str
    events: dict[Event, Written]


# An Arabic message does not begin with the shop's name: a Latin one would turn its whole line around.
WORDINGS: Final[dict[str, Wording]] = {
    "en": Wording(
        short="{shop}: %s {tracking}",
        greeting="Hello {customer},",
        follow="Follow it here: {tracking}",
        no_date="to be confirmed",
        item="Bicycle",
        customer="customer",
        events={
            "created": Written("{shop}: {reference} received", "Thank you, we have received: {item}. Expected: {eta}."),
            "moved": Written("{shop}: news about {reference}", "News about {item}: {stage}. Expected: {eta}."),
            "estimated": Written(
                "{shop}: new date for {reference}", "New date for {item}: {eta}. Current stage: {stage}."
            ),
            "ready": Written("{shop}: {reference}, {stage}", "Good news about {item}: {stage}."),
            "late": Written(
                "{shop}: delay of {reference}",
                "We are sorry: {item} takes longer than planned. New date: {eta}.",
            ),
            "delivered": Written("{shop}: thank you", "{item}: {stage}. Thank you for your trust."),
        },
    ),
    "es": Wording(
        short="{shop}: %s {tracking}",
        greeting="Hola {customer}:",
        follow="Siga el estado aquí: {tracking}",
        no_date="por confirmar",
        item="Bicicleta",
        customer="cliente",
        events={
            "created": Written(
                "{shop}: hemos recibido {reference}", "Gracias, hemos recibido: {item}. Fecha prevista: {eta}."
            ),
            "moved": Written(
                "{shop}: novedades de {reference}", "Novedades de {item}: {stage}. Fecha prevista: {eta}."
            ),
            "estimated": Written(
                "{shop}: nueva fecha para {reference}", "Nueva fecha para {item}: {eta}. Estado actual: {stage}."
            ),
            "ready": Written("{shop}: {reference}, {stage}", "Buenas noticias sobre {item}: {stage}."),
            "late": Written(
                "{shop}: retraso de {reference}",
                "Lo sentimos: {item} tarda más de lo previsto. Nueva fecha: {eta}.",
            ),
            "delivered": Written("{shop}: gracias", "{item}: {stage}. Gracias por su confianza."),
        },
    ),
    "fr": Wording(
        short="{shop} : %s {tracking}",
        greeting="Bonjour {customer},",
        follow="Suivez l'avancement ici : {tracking}",
        no_date="à confirmer",
        item="Vélo",
        customer="client",
        events={
            "created": Written(
                "{shop} : {reference} bien reçu", "Merci, nous avons bien reçu : {item}. Date prévue : {eta}."
            ),
            "moved": Written(
                "{shop} : du nouveau pour {reference}", "Du nouveau pour {item} : {stage}. Date prévue : {eta}."
            ),
            "estimated": Written(
                "{shop} : nouvelle date pour {reference}",
                "Nouvelle date pour {item} : {eta}. Étape actuelle : {stage}.",
            ),
            "ready": Written("{shop} : {reference}, {stage}", "Bonne nouvelle pour {item} : {stage}."),
            "late": Written(
                "{shop} : retard pour {reference}",
                "Nous sommes désolés : {item} prend plus de temps que prévu. Nouvelle date : {eta}.",
            ),
            "delivered": Written("{shop} : merci", "{item} : {stage}. Merci de votre confiance."),
        },
    ),
    "ar": Wording(
        short="%s {tracking} - {shop}",
        greeting="مرحبًا {customer}،",
        follow="تابعوا الحالة هنا: {tracking}",
        no_date="يُحدَّد لاحقًا",
        item="دراجة",
        customer="عميلنا الكريم",
        events={
            "created": Written(
                "تم استلام {reference} - {shop}", "شكرًا لكم، لقد استلمنا: {item}. الموعد المتوقع: {eta}."
            ),
            "moved": Written("مستجدات {reference} - {shop}", "مستجدات {item}: {stage}. الموعد المتوقع: {eta}."),
            "estimated": Written(
                "موعد جديد: {reference} - {shop}", "موعد جديد: {item}، {eta}. المرحلة الحالية: {stage}."
            ),
            "ready": Written("خبر سار: {reference}، {stage} - {shop}", "خبر سار بخصوص {item}: {stage}."),
            "late": Written("تأخير: {reference} - {shop}", "نعتذر عن التأخير: {item}. الموعد الجديد: {eta}."),
            "delivered": Written("شكرًا لكم - {shop}", "تحديث {item}: {stage}. شكرًا لثقتكم."),
        },
    ),
}


def built_in_text(event: Event, channel: Channel, language: str) -> Written:
    """(subject, text); only e-mails have a subject."""
    wording = WORDINGS[language]
    subject, sentence = wording.events[event]
    if channel == "sms":
        return Written("", wording.short.replace("%s", sentence))
    text = f"{wording.greeting}\n\n{sentence}\n{wording.follow}\n\n{{shop}}"
    return Written(subject if channel == "email" else "", text)
