"""The pages that a code shows instead of sending on: paused, not open yet, over, used up, password. One request, no script."""

from html import escape
from typing import Final, NamedTuple

from jobs.languages import direction_of
from redirector.decision import Page
from redirector.pages import PAGE_HEADERS, document

STATUS: Final[dict[Page, int]] = {"paused": 200, "early": 200, "ended": 410, "used-up": 410, "password": 200}
MAX_LENGTH: Final = 200

# Browsers apply form-action also to where the answer to a form leads; that is the owner's destination, any site.
PASSWORD_HEADERS: Final = {
    **PAGE_HEADERS,
    "Content-Security-Policy": PAGE_HEADERS["Content-Security-Policy"].replace(" form-action 'self';", ""),
}


class _Texts(NamedTuple):
    paused: tuple[str, str]  # title, text
    early: tuple[str, str]
    ended: tuple[str, str]
    used_up: tuple[str, str]
    password: tuple[str, str]
    field: str
    submit: str
    wrong: str
    wait: str


_TEXTS: Final[dict[str, _Texts]] = {
    "en": _Texts(
        ("Paused", "This code is paused. Try again later."),
        ("Not open yet", "This code is not open yet. Scan it again later."),
        ("This is over", "This code was open for a limited time, and that time is over."),
        ("All used up", "This code was for a limited number of scans, and all of them are used up."),
        ("Password", "Whoever gave you this code has a password for it."),
        "Password",
        "Open",
        "That is not the password. Capitals matter.",
        "Too many tries. Wait a minute, then try again.",
    ),
    "es": _Texts(
        ("En pausa", "Este código está en pausa. Inténtelo más tarde."),
        ("Todavía no está abierto", "Este código todavía no está abierto. Vuelva a escanearlo más tarde."),
        ("Esto ha terminado", "Este código estuvo abierto por tiempo limitado, y ese tiempo ha terminado."),
        ("Agotado", "Este código era para un número limitado de escaneos, y ya se han usado todos."),
        ("Contraseña", "Quien le dio este código tiene la contraseña."),
        "Contraseña",
        "Abrir",
        "Esa no es la contraseña. Las mayúsculas importan.",
        "Demasiados intentos. Espere un minuto e inténtelo de nuevo.",
    ),
    "fr": _Texts(
        ("En pause", "Ce code est en pause. Réessayez plus tard."),
        ("Pas encore ouvert", "Ce code n'est pas encore ouvert. Scannez-le à nouveau plus tard."),
        ("C'est terminé", "Ce code était ouvert pour un temps limité, et ce temps est écoulé."),
        ("Épuisé", "Ce code valait pour un nombre limité de scans, et ils sont tous utilisés."),
        ("Mot de passe", "La personne qui vous a donné ce code en a le mot de passe."),
        "Mot de passe",
        "Ouvrir",
        "Ce n'est pas le mot de passe. Les majuscules comptent.",
        "Trop d'essais. Attendez une minute, puis réessayez.",
    ),
    "ar": _Texts(
        ("متوقف مؤقتًا", "هذا الرمز متوقف مؤقتًا. حاول مجددًا لاحقًا."),
        ("لم يُفتح بعد", "هذا الرمز لم يُفتح بعد. امسحه مجددًا لاحقًا."),
        ("انتهى", "كان هذا الرمز متاحًا لفترة محدودة وقد انتهت."),
        ("نفد", "كان هذا الرمز لعدد محدود من المسحات وقد استُخدمت كلها."),
        ("كلمة المرور", "كلمة المرور لدى من أعطاك هذا الرمز."),
        "كلمة المرور",
        "فتح",
        "كلمة المرور غير صحيحة. حالة الأحرف مهمة.",
        "محاولات كثيرة جدًا. انتظر دقيقة ثم حاول مجددًا.",
    ),
}


def notice_page(language: str, page: Page, message: str = "") -> str:
    """``message`` is the owner's, in whatever language, in place of ours."""
    title, text = _texts_of(language, page)
    shown = f"<bdi dir=auto>{escape(message)}</bdi>" if message else escape(text)
    return document(language, title, f"<p>{shown}</p>")


def password_page(language: str, *, wrong: bool = False, too_many: bool = False) -> str:
    """The form goes to the address it stands on."""
    texts = _TEXTS[language]
    title, lead = texts.password
    problem = texts.wait if too_many else texts.wrong if wrong else ""
    alert = f"<p role=alert><strong id=e>{escape(problem)}</strong></p>" if problem else ""
    described = " aria-invalid=true aria-describedby=e" if problem else ""
    body = (
        f"<p>{escape(lead)}</p>{alert}<form method=post><div><label for=p>{escape(texts.field)}</label>"
        f"<input id=p name=password type=password dir={direction_of(language)} required maxlength={MAX_LENGTH} "
        f"autocomplete=off{described}></div><button>{escape(texts.submit)}</button></form>"
    )
    return document(language, title, body)


def _texts_of(language: str, page: Page) -> tuple[str, str]:
    texts = _TEXTS[language]
    match page:
        case "paused":
            return texts.paused
        case "early":
            return texts.early
        case "ended":
            return texts.ended
        case "used-up":
            return texts.used_up
        case "password":
            return texts.password
