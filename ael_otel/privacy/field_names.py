"""Which names of fields say that the value is a secret: judged by their words, never by a part of a word.

`apiKey`, `api_key`, `API-KEY` and `x.api.key` are the same words. The last word decides, with the one before it where
it alone says nothing: `access_key` is a secret, `primary_key` is not; `token` is, `max_tokens` and `token_count` are
not.
"""

import re
from functools import lru_cache
from typing import Final

from ael_otel.privacy import markers

_WORD: Final = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|[0-9]+|[^\W\d_a-zA-Z]+")
_LONGEST: Final = 160


def a_set(text: str) -> frozenset[str]:
    """Return the words of a text as a set."""
    return frozenset(text.split())


ALONE: Final = {
    **dict.fromkeys(
        a_set(
            "password passwords passwd passwds pwd passphrase passphrases passcode mypwd pgpassword dbpassword dbpass "
            "userpassword userpass rootpassword sshpass kennwort motdepasse contrasena"
        ),
        markers.PASSWORD,
    ),
    **dict.fromkeys(
        a_set(
            "secret secrets apikey apikeys accesskey secretkey accountkey authkey signingkey encryptionkey "
            "masterkey clientsecret appsecret secretaccesskey sharedaccesskey servicekey subscriptionkey"
        ),
        markers.API_KEY,
    ),
    **dict.fromkeys(
        a_set(
            "token accesstoken refreshtoken authtoken idtoken sessiontoken bearertoken apitoken usertoken bearer jwt "
            "authorization cookie cookies setcookie otp totp csrf xsrf csrftoken csrfmiddlewaretoken xsrftoken"
        ),
        markers.TOKEN,
    ),
    **dict.fromkeys(a_set("privatekey sshkey"), markers.PRIVATE_KEY),
    **dict.fromkeys(a_set("ssn"), markers.SSN),
    **dict.fromkeys(a_set("creditcard cardnumber cvv cvv2 cvc cvc2"), markers.CREDIT_CARD),
    **dict.fromkeys(
        a_set("credential credentials creds cred mnemonic seedphrase keystore htpasswd"), markers.FIELD
    ),
}
"""Last words that are enough."""

_KEY_OWNERS: Final = a_set(
    "api access secret signing encryption decryption auth account master service subscription shared session deploy "
    "aes des hmac rsa ecdsa ed25519 storage consumer admin root app application license webhook wrapping symmetric "
    "sign functions function host integration ingest ingestion"
)
_PRIVATE: Final = a_set("private ssh pgp gpg pem tls ssl")
_PASS_OWNERS: Final = a_set("db user smtp admin root redis mysql ftp http proxy mail ldap imap login my")
_TOKEN_OWNERS: Final = a_set(
    "access refresh auth api bearer id device session security personal csrf xsrf user bot oauth oauth2 service admin "
    "deploy registration verification reset invite secret private jwt"
)
_NUMBER_OWNERS: Final = {"card": markers.CREDIT_CARD, "security": markers.SSN, "ssn": markers.SSN}

_COUNTED: Final = a_set(
    "max min num n total input output prompt completion cached reasoning remaining avg mean count next page "
    "continuation eos bos pad unk mask stop special sep cls first last prev previous cancellation per lookahead is has "
    "no use require requires"
)
"""Words before `token` that make it a unit of text, a page or a question: `max_token`, `next_page_token`."""

_ASKS: Final = a_set("has is use uses require requires need needs show hide allow enable disable missing")
"""First words that make a name a question: `has_password`."""


def words(name: str) -> list[str]:
    """Return the words of a name in lower case."""
    if len(name) > _LONGEST:
        name = name[-_LONGEST:]
    return [word.lower() for word in _WORD.findall(name)]


@lru_cache(maxsize=4096)
def kind_of(name: str) -> str | None:
    """Return the kind of secret that a field of this name holds, None if the name does not say so."""
    found = words(name)
    while found and (found[-1].isdigit() or found[-1] in {"value", "raw", "plain", "plaintext"}):
        found.pop()
    if not found:
        return None
    if found[0] in _ASKS and len(found) > 1:
        return None
    last = found[-1]
    before = found[-2] if len(found) > 1 else ""
    if last == "token" and before in _COUNTED:
        return None
    if kind := ALONE.get(last):
        return kind
    return _by_two(last, before, found)


def _by_two(last: str, before: str, found: list[str]) -> str | None:
    """Judge a last word that alone says nothing."""
    kind: str | None = None
    match last:
        case "key" | "keys":
            if before in _PRIVATE:
                kind = markers.PRIVATE_KEY
            elif before in _KEY_OWNERS:
                kind = markers.API_KEY
        case "pass" if before in _PASS_OWNERS:
            kind = markers.PASSWORD
        case "tokens" if before in _TOKEN_OWNERS:
            kind = markers.TOKEN
        case "hash" | "digest" | "salt" if before in {"password", "passwd", "secret", "token"}:
            kind = markers.PASSWORD
        case "auth" if not before or before in {"basic", "proxy", "http", "x"}:
            kind = markers.TOKEN
        case "number" | "num" | "no":
            kind = _NUMBER_OWNERS.get(before)
            if before == "security" and found[-3:-2] != ["social"]:
                kind = None
        case "card" if before in {"credit", "debit", "payment"}:
            kind = markers.CREDIT_CARD
        case "security" if before == "social":
            kind = markers.SSN
        case "code" if before in {"cvv", "cvc", "security", "otp", "mfa", "verification"}:
            kind = markers.TOKEN
        case "phrase" if before in {"seed", "recovery", "pass"}:
            kind = markers.FIELD
        case "base" if found[-3:-1] == ["secret", "key"]:
            kind = markers.API_KEY
        case "word" if before == "pass":
            kind = markers.PASSWORD
        case "string" if before == "connection":
            kind = markers.FIELD
        case "signature" if found[-3:-1] == ["x", "amz"] or before in {"amz", "goog"}:
            kind = markers.TOKEN
        case _:
            pass
    return kind
