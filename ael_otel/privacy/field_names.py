"""Decide by the name of a field whether its value is a secret: by whole words, not by parts of a word.

`apiKey`, `api_key`, `API-KEY` and `x.api.key` have the same words. The last word decides, together with the word before
it if it is ambiguous: `access_key` is a secret, `primary_key` is not; `token` is, `max_tokens` and `token_count` are
not. Words written together (`OPENAIAPIKEY`) are recognised by their end. Names that only suggest a secret are weak:
their value must look like a secret too.
"""

import re
import unicodedata
from collections.abc import Mapping
from functools import lru_cache
from typing import Any, Final, NamedTuple, cast

from ael_otel.privacy import markers
from ael_otel.privacy.validators import is_placeholder, is_words, looks_like_key, looks_secret

_WORD: Final = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|[0-9]+|[^\W\d_a-zA-Z]+")
_LONGEST: Final = 160


def a_set(text: str) -> frozenset[str]:
    """Return the words of a text as a set."""
    return frozenset(text.split())


NO_VALUE: Final = a_set(
    "none null nil true false str string bytes int integer number bool boolean any object self cls optional required "
    "undefined empty missing unset set invalid valid expired secret password passwd token key value text unknown yes "
    "no and or not in is the a an this that used disabled enabled redacted hidden masked option options flag flags "
    "argument arguments parameter parameters default const final var let type for type from to with must should may "
    "can will has have was were are be as at by on if of it same-origin include omit basic bearer digest "
    "authorization cookie credentials"
)
"""Placeholders: words in lower case that are used instead of a value."""

_FOREIGN_PASSWORDS: Final = a_set(
    # German, Spanish, Portuguese, French, Italian, Dutch, Swedish, Danish, Norwegian, Finnish, Polish, Czech, Turkish,
    # Slovene, Croatian, Serbian, Estonian, Lithuanian, Indonesian, Vietnamese; no accents
    "passwort passworter kennwort passwoerter contrasena contrasenas contrasenya senha senhas "
    "motdepasse mdp parolachiave "
    "wachtwoord losenord adgangskode kodeord passord salasana haslo heslo jelszo sifre "
    "geslo lozinka zaporka parool slaptazodis katasandi matkhau khau geheimwort"
)
_OTHER_SCRIPTS: Final = {
    **dict.fromkeys(
        a_set(
            "пароль пароля пароли парол парола лозинка 密码 密碼 口令 パスワード 暗証番号 비밀번호 비번 암호 패스워드 "
            "κωδικος συνθηματικο סיסמה סיסמא المرور السر"
        ),
        markers.PASSWORD,
    ),
    **dict.fromkeys(a_set("секрет секреты 密钥 密鑰 秘钥 秘鑰 密匙 シークレット"), markers.API_KEY),
    **dict.fromkeys(a_set("токен 令牌 授权码 授權碼 验证码 驗證碼 トークン 토큰"), markers.TOKEN),
}
"""Words of scripts other than Latin. Some of these scripts do not separate words, so the end of a name counts."""

ALONE: Final = {
    **dict.fromkeys(
        a_set(
            "password passwords passwd passwds pwd pasword paswd psswd pswd passwrd psword "
            "userpwd proxyuserpwd passphrase passphrases passcode mypwd pgpassword "
            "dbpassword dbpass "
            "userpassword userpass rootpassword sshpass requirepass masterauth storepass keypass"
        )
        | _FOREIGN_PASSWORDS,
        markers.PASSWORD,
    ),
    **dict.fromkeys(
        a_set(
            "secret secrets segredo segredos geheim geheimnis geheimnisse zugangscode "
            "zugangsschluessel hemmelighed hemmelighet "
            "hemlighet salaisuus sekret tajemstvi apikey apikeys accesskey secretkey accountkey "
            "authkey signingkey encryptionkey "
            "masterkey clientsecret appsecret secretaccesskey sharedaccesskey servicekey subscriptionkey"
        ),
        markers.API_KEY,
    ),
    **dict.fromkeys(
        a_set(
            "token jeton accesstoken refreshtoken authtoken idtoken sessiontoken bearertoken apitoken "
            "usertoken bearer jwt "
            "authorization cookie cookies setcookie otp totp csrf xsrf csrftoken csrfmiddlewaretoken "
            "xsrftoken"
        ),
        markers.TOKEN,
    ),
    **dict.fromkeys(a_set("privatekey sshkey privkey psk presharedkey"), markers.PRIVATE_KEY),
    **dict.fromkeys(a_set("ssn"), markers.SSN),
    **dict.fromkeys(a_set("creditcard cardnumber cvv cvv2 cvc cvc2"), markers.CREDIT_CARD),
    **dict.fromkeys(
        a_set("credential credentials creds cred mnemonic seedphrase keystore htpasswd zugangsdaten"),
        markers.FIELD,
    ),
}
"""Last words that make a name the name of a secret without the word before."""

_GLUED: Final = re.compile(
    r"(?P<api>(?:api|secret|access|client|account|license|encryption|signing)keys?|(?:client|app|api|jwt|token)secret)\Z"
    r"|(?P<private>(?:private|ssh)key)\Z"
    r"|(?P<password>password|passwd|(?:mysql|pgsql|postgres|sql|smtp|imap|mail|ftp|sftp|ldap|redis|mongo|root|admin|login|wifi)pass|passwort|passphrase|passcode|kennwort|contrasena)\Z"
    r"|(?P<token>(?:auth|access|refresh|api|bearer|session|my|bot|user|github|gitlab|npm|slack|hf|deploy|login|id|identity)token)\Z"
)
_NOT_GLUED: Final = re.compile(
    r"\A(?:no|has|is|forgot|forgotten|reset|show|hide|change|update|verify|check|with|non)"
)

_KEY_OWNERS: Final = a_set(
    "api access secret signing encryption decryption auth account master service subscription shared deploy "
    "aes des hmac rsa ecdsa ed25519 consumer admin root license webhook wrapping symmetric "
    "sign sg ingest ingestion fernet cipher validation activation authentication authorization unseal"
)
_OF_WORDPRESS: Final = (["secure", "auth"], ["logged", "in"])
"""Words before `key` and `salt` in WordPress's constants for signing cookies; their values have any characters."""
_SEED_OWNERS: Final = a_set(
    "jwt auth hmac secret token wallet master nkey signing encryption password session"
)
_WEAK_KEY_OWNERS: Final = a_set("session storage app host application functions function integration sdk")
_NOT_OF_VENDORS: Final = a_set(
    "primary foreign public pub sort partition cache row column range group order hash object s3 bucket blob file path "
    "dir folder doc document page url uri route routing storage idempotency dedup dedupe deduplication translation "
    "message msg i18n l10n locale lang language label hot short registry map dict mapping query search index lookup "
    "composite unique natural surrogate join shard cluster item record entity event node type data meta metadata json "
    "yaml xml toml config cfg setting settings preference pref option param parameter arg argument prop property "
    "attribute attr header field form input tag resource kind sub parent child left right up down home end escape esc "
    "enter tab delete shift ctrl control alt meta space backspace arrow press any function fn issue project job task "
    "block layer model module layout state status error err code test trace span metric stats log topic queue stream "
    "consumer producer correlation request response result output value dataset table schema db database redis memo "
    "product sku user customer client tenant org team account host server region zone version build release commit "
    "branch ref theme style color icon image img asset media video audio map api_doc answer wrap match capture secret "
    "access private signing ssh gpg pgp host_key known trusted peer last next prev first current new old min max "
    "max_key num number count bare plain raw full long the this that a each every my your its other same no"
)
"""Words before `key` that make it a location, a button or a label, not the key of a service."""
_VENDORS: Final = a_set(
    "openai anthropic claude gemini vertex cohere mistral groq xai grok deepseek perplexity together "
    "fireworks replicate "
    "huggingface hf cerebras nvidia voyage jina elevenlabs deepgram assemblyai stability runpod modal "
    "openrouter langsmith "
    "langchain langfuse helicone portkey wandb pinecone weaviate qdrant tavily serper serpapi exa brave "
    "bing firecrawl "
    "bedrock aws gcp google maps azure cosmos cosmosdb digitalocean linode vultr hetzner scaleway "
    "alibaba aliyun tencent oracle ibm "
    "cloudflare fastly bunny akamai netlify vercel heroku render railway fly supabase firebase neon "
    "planetscale upstash turso "
    "snowflake databricks mongodb atlas algolia meilisearch typesense elastic elasticsearch github "
    "gitlab bitbucket gitea "
    "circleci travis buildkite drone jenkins codecov coveralls sonar sonarqube snyk npm pypi nuget "
    "rubygems docker dockerhub quay "
    "artifactory jfrog nexus terraform pulumi vault consul doppler infisical datadog newrelic relic "
    "sentry honeycomb rollbar bugsnag "
    "logdna loggly splunk papertrail grafana pagerduty opsgenie statsig segment mixpanel amplitude "
    "posthog launchdarkly optimizely "
    "stripe paypal braintree square plaid adyen razorpay shopify mollie paddle coinbase binance kraken "
    "alchemy infura etherscan moralis "
    "twilio telnyx nexmo vonage messagebird plivo sendgrid mailgun mailchimp mandrill mailjet postmark "
    "brevo sparkpost resend klaviyo "
    "slack discord telegram zendesk intercom hubspot salesforce jira atlassian confluence notion "
    "airtable linear asana trello clickup "
    "figma dropbox box mapbox tmdb omdb weather openweather openweathermap newsapi rapidapi unsplash "
    "pexels giphy steam twitch spotify "
    "nasa recaptcha hcaptcha turnstile okta auth0 clerk pusher ably agora fcm cloudinary imagekit "
    "dashscope zhipu moonshot kimi "
    "qianfan minimax yandex line feishu lark dingtalk wechat tailscale ngrok hubspot azdo ado tfe tf"
)
_PRIVATE: Final = a_set("private priv ssh pgp gpg pem tls ssl preshared")
_PASS_OWNERS: Final = a_set(
    "db user smtp admin root redis mysql ftp sftp http proxy mail email ldap imap pop login my irc pg "
    "postgres mongo amqp mqtt "
    "rabbit rabbitmq vpn ssh sudo svn wifi wlan sa bind keystore truststore database bot account auth"
)
_TOKEN_OWNERS: Final = a_set(
    "access refresh auth api bearer id device session security personal csrf xsrf user bot oauth oauth2 "
    "service admin "
    "deploy registration verification reset invite secret private jwt"
)
_NUMBER_OWNERS: Final = {"card": markers.CREDIT_CARD, "security": markers.SSN, "ssn": markers.SSN}

_COUNTED: Final = a_set(
    "max min num n total input output prompt completion cached reasoning remaining avg mean count next page "
    "continuation eos bos pad unk mask stop special sep cls first last prev previous cancellation per "
    "lookahead is has "
    "no use require requires"
)
"""Words before `token` that make it a unit of text, a page or a question: `max_token`, `next_page_token`."""

_WEAK_TOKEN_OWNERS: Final = a_set(
    "current design sync text word color colour spacing theme style syntax lexer parser raw start end "
    "begin expected "
    "unexpected peek change cursor delta continue pagination watch resume"
)
"""Words before `token` that mostly mean a piece of text or a position in a list; some services' values are long."""

_ASKS: Final = a_set(
    "has is use uses require requires need needs show hide allow enable disable missing forgot reset"
)
"""First words that make a name a question or an action: `has_password`."""

_SUFFIXES: Final = a_set(
    "value raw plain plaintext prod production dev development staging stage live sandbox old new main "
    "backup bak tmp local "
    "confirmation confirm again repeat repeated retype "
    "default b b64 base64 enc encoded encrypted hex current primary secondary str string text pem"
)
"""Last words for the place or form of a secret: `password_prod`, `apikey_b64`."""
_NOT_BEHIND: Final = a_set("current new old text raw default start end")

ANCHORS: Final = (
    "pass", "pwd", "pasw", "psw", "pssw",
    "secret", "token", "key", "cred", "auth", "cookie", "jwt", "ssn", "cv", "otp", "srf", "sig",
    "phrase", "bearer", "mnemonic", "connection", "social", "card", "pw", "pat", "login", "kennwort", "contrase",
    "clave", "senha", "mdp", "parola", "wachtwoord", "senord", "adgangskode", "salasana",
    "segredo", "jeton", "cle_api", "cle-api", "chave", "chiave", "conn_str", "connstr",
    "has\u0142o", "haslo", "heslo", "jelsz", "sifre", "\u015fifre", "phpsessid",
    "jsessionid", "backup", "recovery", "verifier", "psk", "zugangs", "geheim", "kodeord",
    "hemmelig", "hemlighet", "salaisuus", "sekret", "tajemstv", "geslo", "lozinka", "zaporka",
    "parool", "slapta", "katasandi", "kata_sandi", "matkhau", "khau", "kh\u1ea9u",
    "_salt", "pepper", "snmp", "verification", "confirmation", "onetime", "one_time", "one-time",
    "access_code", "access-code", "accesscode",
    "парол", "секрет", "токен", "密码", "密碼", "口令", "密钥", "密鑰", "秘钥", "秘鑰", "令牌", "パスワード",
    "暗証番号", "シークレット", "トークン", "비밀번호", "토큰", "비번", "암호", "패스워드", "лозинка",
    "密匙", "授权码", "授權碼", "验证码", "驗證碼",
    "κωδικ", "\u03ba\u03c9\u03b4\u03b9\u03ba\u03cc\u03c2", "συνθηματικ", "סיסמה", "סיסמא", "المرور", "السر", "ключ",
)  # fmt: skip
"""Texts in lower case; every name of a secret contains one of them."""

_OF_FIELDS: Final = ("salt", "seed", "community", "2fa")
"""Texts that occur in many words; searched only in names of fields, and in variables with a `_`."""
_ANCHOR: Final = re.compile("|".join(map(re.escape, (*ANCHORS, *_OF_FIELDS))))


# Letters that Unicode does not decompose into a Latin letter and a mark.
_LATIN: Final = str.maketrans("\u0142\u0141\u00f8\u00d8\u0131\u0130", "lLoOiI")


_OF_A_VENDOR: Final = "vendor"


class _Judged(NamedTuple):
    kind: str | None
    weak: bool = False
    vague: bool = False


_NOTHING: Final = _Judged(None)


def words(name: str) -> list[str]:
    """Return the words of a name in lower case, without accents."""
    if len(name) > _LONGEST:
        name = name[-_LONGEST:]
    if not name.isascii():
        apart = unicodedata.normalize("NFD", unicodedata.normalize("NFKC", name).translate(_LATIN))
        name = unicodedata.normalize("NFC", "".join(c for c in apart if not "\u0300" <= c <= "\u036f"))
    return [word.lower() for word in _WORD.findall(name)]


def holds_anchor(text: str) -> bool:
    """Return whether a text contains a part of a secret's name."""
    return _ANCHOR.search(text.lower()) is not None


def kind_of(name: str) -> str | None:
    """Return the kind of secret that a field with this name has, None if its name is not that of a secret."""
    return _judge(_shape(name)).kind


def is_weak(name: str) -> bool:
    """Return whether a name only suggests a secret, so that the value must look like one: `session_key`, `pass`."""
    return _judge(_shape(name)).weak


def is_vague(name: str) -> bool:
    """Return whether a name only resembles that of a key of an unknown vendor: `ACME_KEY`."""
    return _judge(_shape(name)).vague


def hints_at(name: str, value: str) -> bool:
    """Return whether a value looks enough like a secret for a name that only suggests one."""
    return looks_like_key(value) if is_vague(name) else looks_secret(value)


def _shape(name: str) -> str:
    """Return a name with any number at its end replaced by 00, so that numbered names are judged once.

    A single digit stays, since it is part of some names: `auth0`.
    """
    plain = name.rstrip("0123456789")
    return f"{plain}00" if len(plain) < len(name) - 1 and len(name) <= _LONGEST else name


@lru_cache(maxsize=4096)
def _judge(name: str) -> _Judged:
    low = name.lower()
    if _ANCHOR.search(low[-_LONGEST:]) is None and (
        name.isascii() or _ANCHOR.search(" ".join(words(name))) is None
    ):
        return _NOTHING
    found = words(name)
    if found[:2] == ["tf", "token"] and len(found) > 2:
        return _Judged(markers.TOKEN)
    if found[-2:] == ["auth", "0"]:
        return _NOTHING  # a vendor
    judged = _by_last(found)
    shorter = found
    while judged.kind is None and len(shorter) > 1 and (shorter[-1].isdigit() or shorter[-1] in _SUFFIXES):
        shorter = shorter[:-1]
        judged = _by_last(shorter)
        if judged.kind is not None and shorter[-1] in {"pass", "login"}:
            return _NOTHING
    if (
        judged.kind is None
        and len(found) > 2
        and found[-1] in _VENDORS
        and found[-2] in {"token", "key", "apikey", "secret"}
    ):
        # AWS_BEARER_TOKEN_BEDROCK, API_KEY_OPENAI
        judged = _by_last(found[:-1])
    return judged


def _by_last(found: list[str]) -> _Judged:
    """Judge a name by its last words."""
    if not found or (found[0] in _ASKS and len(found) > 1 and found != ["reset", "token"]):
        return _NOTHING
    last = found[-1]
    before = found[-2] if len(found) > 1 else ""
    if last == "token" and before in _COUNTED:
        return _NOTHING
    if last == "token" and before in _WEAK_TOKEN_OWNERS:
        return _Judged(markers.TOKEN, weak=True)
    if kind := ALONE.get(last):
        return _Judged(kind)
    if not last.isascii():
        return _other_script(last, before)
    if kind := _by_two(last, before, found):
        return _Judged(kind)
    weak = _weak(last, before)
    if weak == _OF_A_VENDOR:
        # An unknown vendor, `ACME_KEY`: any other word could be in its place, `BUILD_KEY`.
        return _Judged(markers.API_KEY, weak=True, vague=True)
    if weak is not None:
        return _Judged(weak, weak=True)
    return _glued(last)


def _other_script(last: str, before: str) -> _Judged:
    if last == "ключ" and before in {"секретный", "приватный", "закрытый", "api", "апи"}:
        return _Judged(markers.API_KEY)
    for word, kind in _OTHER_SCRIPTS.items():
        if last.endswith(word):
            return _Judged(kind)
    return _NOTHING


def _glued(last: str) -> _Judged:
    """Judge a word that is written together with others: `myapikey`, `dbpasswd`."""
    match = _GLUED.search(last)
    if match is None or _NOT_GLUED.match(last):
        return _NOTHING
    kinds = {"api": markers.API_KEY, "private": markers.PRIVATE_KEY, "password": markers.PASSWORD}
    return _Judged(kinds.get(match.lastgroup or "", markers.TOKEN))


def _weak(last: str, before: str) -> str | None:
    """Return the kind that a name suggests."""
    kind: str | None = None
    match last:
        case "key" | "keys" if before in _WEAK_KEY_OWNERS or before in _VENDORS:
            kind = markers.API_KEY
        case "phpsessid" | "jsessionid":
            kind = markers.TOKEN
        case "key" | "keys" if before and before not in _NOT_OF_VENDORS:
            kind = _OF_A_VENDOR
        case "pat" if before:
            kind = markers.TOKEN
        case "auth" if before in {"rediscli", "redis", "docker", "registry", "npm", "config"}:
            kind = markers.TOKEN
        case "header" if before in {"auth", "authorization"}:
            kind = markers.TOKEN
        case "ident" if before == "auth":
            kind = markers.TOKEN  # `npmAuthIdent` of Yarn: a name and a password
        case "id" if before == "secret":
            kind = markers.API_KEY
        case "salt" | "salts" | "pepper":
            kind = _OF_A_VENDOR
        case "seed" if before in _SEED_OWNERS:
            kind = _OF_A_VENDOR
        case "pass" | "pw" | "pswd" | "psw" | "passw":
            kind = markers.PASSWORD
        case "clave" | "parola":
            kind = markers.PASSWORD
        case "login" if before in {"sonar", "sonarqube", "dsonar"}:
            kind = markers.TOKEN
        case _:
            pass
    return kind


def _by_two(last: str, before: str, found: list[str]) -> str | None:
    """Judge a last word that is ambiguous alone."""
    kind: str | None = None
    match last:
        case "key" | "keys":
            if before in _PRIVATE:
                kind = markers.PRIVATE_KEY
            elif before in _KEY_OWNERS or before == "nonce" or found[-3:-1] in _OF_WORDPRESS:
                kind = markers.API_KEY
        case "data" if before == "key" and found[-3:-2] == ["client"]:
            kind = markers.PRIVATE_KEY  # a kubeconfig's `client-key-data`
        case "pass" if before in _PASS_OWNERS or before in _VENDORS:
            kind = markers.PASSWORD
        case "passe" if before in {"de", "palavra"}:
            kind = markers.PASSWORD
        case "secreta" | "acceso" if before in {"clave", "palabra"}:
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
        case "code" if before in {
            "cvv",
            "cvc",
            "security",
            "otp",
            "mfa",
            "verification",
            "backup",
            "recovery",
            "totp",
            "login",
            "access",
            "auth",
            "confirmation",
            "fa",
            "time",
        } and (before != "time" or found[-3:-2] == ["one"]):
            kind = markers.TOKEN
        case "codes" if before in {"backup", "recovery"}:
            kind = markers.TOKEN
        case "oauth" if before in {"github", "gitlab", "bitbucket", "forgejo"}:
            kind = markers.TOKEN  # Composer's tokens, by host
        case "verifier" if before == "code":
            kind = markers.TOKEN
        case "phrase" if before in {"seed", "recovery", "pass"}:
            kind = markers.FIELD
        case "base" if found[-3:-1] == ["secret", "key"]:
            kind = markers.API_KEY
        case "word" if before == "pass":
            kind = markers.PASSWORD
        case "string" | "str" if before in {"connection", "conn"}:
            kind = markers.FIELD
        case "api" if before in {"clave", "cle", "chave", "chiave"}:
            kind = markers.API_KEY
        case "salt" if before == "nonce" or found[-3:-1] in _OF_WORDPRESS:
            kind = markers.API_KEY
        case "community" if before in {"snmp", "ro", "rw", "rocommunity", "read", "write", "trap"}:
            kind = markers.PASSWORD
        case "string" if before == "community":
            kind = markers.PASSWORD
        case "sandi" if before == "kata":
            kind = markers.PASSWORD
        case "signature" if found[-3:-1] == ["x", "amz"] or before in {"amz", "goog"}:
            kind = markers.TOKEN
        case _:
            pass
    return kind


# --- the value of a field with the name of a secret -------------------------------------------------------------------

_SCHEMA_WORDS: Final = a_set(
    "type description minLength maxLength pattern format enum const default title examples example $ref "
    "anyOf oneOf allOf items "
    "properties required nullable readOnly writeOnly deprecated minimum maximum additionalProperties in "
    "schema name "
    "$type $value $description x-order hidden label help placeholder optional scheme bearerFormat flows "
    "length precision"
    " scheme bearerFormat flows length precision"
)
_SCHEMA_SURE: Final = a_set("type minLength maxLength $ref anyOf oneOf allOf enum format schema $type")
_SCHEMA_TYPES: Final = a_set(
    "string number integer boolean object array null str int float bool any secret password text color "
    "dimension"
    " apiKey http oauth2 openIdConnect varchar char binary bytea blob uuid"
)
_SCHEMA_VALUES: Final = ("default", "const", "example", "examples", "enum")
_COUNT_WORDS: Final = a_set(
    "count total number length size max min limit used remaining found detected n num"
)
_TOKEN_NEIGHBOURS: Final = frozenset(
    a_set(
        "logprob logprobs top_logprobs logit prob probability score rank offset lemma pos bytes "
        "token_id spaceAfter scope scopes"
    )
)
_STATES: Final = a_set(
    "on off yes no true false ok okay none null undefined enabled disabled required optional granted "
    "denied allowed forbidden "
    "approved rejected pending active inactive valid invalid expired missing present absent set unset "
    "changed unchanged "
    "same-origin include omit secure lax strict auto manual always never default basic bearer digest "
    "negotiate ntlm oauth oauth2 "
    "string number integer boolean object redacted hidden masked encrypted authorized unauthorized "
    "passed failed n/a na tbd todo"
)
_TYPE: Final = re.compile(
    r"(?:Optional\[|List\[|list\[|Array<|SecretStr|string|str|number|int|integer|boolean|bool|null|None|undefined|bytes|any|Any"
    r"|[\[\]<>|?, ]){1,16}"
)
_EMPTY_KEY: Final = re.compile(
    r"-----BEGIN [A-Z0-9 ]{0,40}-----\s{0,4}(?:\.{3}|…|<[^<>]{0,64}>)?\s{0,4}(?:-----END [A-Z0-9 ]{0,40}-----\s{0,4})?"
)
_AUTH_TYPES: Final = a_set("bearer basic jwt token apikey oauth oauth2 access refresh id pat secret")
_SHORT_COUNT: Final = 1000
_MARKED: Final = re.compile(r"[!@#$%^&*+=?~]")
_ANY_DIGIT: Final = re.compile(r"[0-9]")


def holds_secret(name: str, kind: str, value: Any, beside: Mapping[Any, Any] | None = None) -> bool:
    """Return whether the value of a field with a secret's name can be a secret.

    Args:
        name: name of the field, which has a kind.
        kind: result of `kind_of` for the name.
        value: the value, neither None, a boolean nor empty.
        beside: the mapping that contains the field.

    Returns:
        False for the schema of a parameter, a count, a state in a word, a placeholder, a token of text, and for a value
        that does not look like a secret under a weak name. Such a value is redacted like any other.
    """
    if isinstance(value, str):
        return _text_holds(name, kind, value, beside)
    if type(value) is int:
        return not _is_count(name, value)
    if isinstance(value, Mapping):
        mapping = cast("Mapping[Any, Any]", cast("object", value))
        if kind == markers.TOKEN and not _TOKEN_NEIGHBOURS.isdisjoint(mapping):
            return any(isinstance(each, str) and looks_secret(each) for each in mapping.values())
        return not _is_description(mapping) or _states_secret(mapping, kind)
    # Numbers in a list are tokens of a text.
    numbers = kind == markers.TOKEN and type(value) is list
    return not (numbers and all(type(each) is int for each in cast("list[object]", value)))


def _text_holds(name: str, kind: str, value: str, beside: Mapping[Any, Any] | None) -> bool:
    plain = value.strip()
    low = plain.lower()
    if low in _STATES or plain == "..." or (len(plain) >= 4 and is_placeholder(plain)):
        return False
    if _TYPE.fullmatch(plain) or (kind == markers.PRIVATE_KEY and _EMPTY_KEY.fullmatch(plain)):
        return False
    if kind == markers.TOKEN:
        if (
            beside is not None
            and any(each in beside for each in _TOKEN_NEIGHBOURS)
            and not looks_secret(plain)
        ):
            return False
        if beside is not None and _is_piece(plain, beside):
            return False
        if len(plain) <= 2 and not any(c.isalnum() for c in plain):
            return False  # `+`, `->`: a token of a program's text
    if not is_weak(name):
        return True
    if hints_at(name, plain):
        return True
    if kind != markers.PASSWORD or " " in plain or len(plain) < 4:
        return False
    # A password in `pass` or `pw` may be shorter than a key.
    return not plain.isdigit() and bool(
        _MARKED.search(plain) or (_ANY_DIGIT.search(plain) and not plain[0].isdigit())
    )


def _is_piece(value: str, beside: Mapping[Any, Any]) -> bool:
    """Return whether a value in words is a piece of a program or a design, from the type beside it."""
    stated = beside.get("type", beside.get("$type"))
    if not isinstance(stated, str) or stated.lower() in _AUTH_TYPES or not is_words(value):
        return False
    return "$type" in beside or stated[:1].isupper()


def _is_count(name: str, value: int) -> bool:
    if value == 0:
        return True
    if not -1 <= value < _SHORT_COUNT:
        return is_weak(name) and value < 10**9
    found = words(name)
    return is_weak(name) or found[-1] in {
        "secrets",
        "cookies",
        "credentials",
        "passwords",
        "tokens",
        "keys",
        "number",
    }


def _states_secret(value: Mapping[Any, Any], kind: str) -> bool:
    """Return whether the schema of a parameter has a secret as its default, its constant or an example."""
    for name in _SCHEMA_VALUES:
        stated = value.get(name)
        for each in cast("list[object]", stated) if isinstance(stated, list) else (stated,):
            if isinstance(each, str) and (
                looks_secret(each) or (kind == markers.PASSWORD and _ANY_DIGIT.search(each))
            ):
                return True
    return False


def _is_description(value: Mapping[Any, Any]) -> bool:
    """Return whether a mapping describes a parameter or counts things, and contains no value of it."""
    names = {key for key in value if isinstance(key, str)}
    if len(names) != len(value):
        return False
    if names <= _COUNT_WORDS and all(type(each) is int for each in value.values()):
        return True
    if not names <= _SCHEMA_WORDS or names.isdisjoint(_SCHEMA_SURE):
        return False
    stated = value.get("type", value.get("$type"))
    return stated is None or isinstance(stated, list) or (isinstance(stated, str) and stated in _SCHEMA_TYPES)
