"""Find secrets in text by the name beside them: `password=...`, `"api_key": "..."`, `Cookie: ...`.

Every occurrence of a word such as `token` is a candidate. One search steps from word to word: it matches the word, the
rest of the name around it and the sign after it, if there is one, so each name is read once even if such words repeat.
The whole name is then judged like a field's name, so that `max_tokens=5` and `primary_key: id` are not redacted; the
sentence before it is ignored. A value is read once too: the search resumes after it.

The value is judged by how it is written. In quotes beside a name in quotes it is data, and is redacted. Without quotes
it must look like a value: `token = f()` is code, not a secret.
"""

import re
from collections.abc import Callable
from functools import lru_cache
from typing import Final, NamedTuple

from ael_otel.privacy import lists, markers, plans, windows
from ael_otel.privacy.budget import HIT, NEW_NAME, REPLACED, Budget, Unlimited
from ael_otel.privacy.field_names import ANCHORS, NO_VALUE, hints_at, is_vague, is_weak, kind_of
from ael_otel.privacy.markers import ALL_MARKERS, MARKER
from ael_otel.privacy.tables import Tables
from ael_otel.privacy.validators import (
    entropy,
    is_drawn,
    is_placeholder,
    is_random,
    is_ssn,
    looks_like_key,
    looks_secret,
)
from ael_otel.privacy.word_search import pattern_of

_DECIDING: Final = 120
_MOST_SAME: Final = 1024
_LEFT: Final = 240
_RIGHT: Final = 320
"""Characters before a name and after its sign that decide about its value: at most 234 and 280."""
_NEAR: Final = 2_048
_SURE: Final = _NEAR - windows.OVERLAP
"""Characters after one name in which the next is searched for first, and the part of them that a match may reach."""
_LONGEST_NAME: Final = 160
_LONGEST_WORD: Final = max(map(len, ANCHORS))
"""Characters after the beginning of a match that decide whether there is one: what follows the word is optional."""
_BARS: Final = frozenset("|\u2502\u2503")
_LONGEST_LINE: Final = 4096
_NAMES_KEPT: Final = 4096
_LONGEST_MARKER: Final = 20
_PADDING: Final = 160
"""Maximum blanks between a name and its sign, or around the heading of a column."""
_BLANKS: Final = frozenset({"", " ", "\n", "\r", "\t"})
_NEED_DIGITS: Final = frozenset({markers.SSN, markers.CREDIT_CARD})
_BEFORE_NAME: Final = frozenset("\"':= >")
_HEAD: Final = re.compile(r"[\w.-]{0,64}")
_STOPS: Final = frozenset(" \t\r\n\"'`=:,;?&|/<>(){}[]@!#$%*+\\~^")
_OF_TABLES: Final = frozenset(",;|\t)\n\r\\\u2502\u2503")
_BEFORE: Final = re.compile(r"[A-Za-z][A-Za-z0-9-]{1,23} \Z")
_KEYS: Final = frozenset({"key", "Key", "KEY"})
_COLOUR: Final = r"(?:\x1b\[[0-9;]{0,12}m){0,2}"
_CLOSE: Final = rf"(?:\"\"|\\{{0,3}}[\"'`]|&quot;|&#3[49];|%22)?[\])]{{0,2}}\*{{0,2}}{_COLOUR}"
_OPERATOR: Final = (
    r"=:(?=[ \t])|=>|->|:{1,3}=|\.=|::(?=[ \t])|\?=|\+=|[=!]==?|:-|[:=\uff1a\uff1d]|%(?:25)?3[ad]|&#(?:61|58|x3[ad]);"
    r"|&(?:equals|colon);"
)
# As characters, HTML entities, and escaped in JSON.
_DASH: Final = (
    r"(?:[\u2013-\u2015\u2192\u21d2\u2212]|&(?:[mn]dash|minus|rarr|#821[12]|#x201[34]);|\\u201[345]|\\u2192)"
)
# What stands before a value that is below its name, in the next line, in a fence or in a reply; or in tags of HTML.
_BELOW: Final = (
    r"(?:\r?\n){1,2}(?:[ \t]{0,8}(?:`{3}[a-z]{0,12}\r?\n[ \t]{0,40}+|>[ \t]{1,3}+)(?=[^\s>])|[ \t]{2,40}+(?=\S))"
    r"|\s{0,4}(?:<(?:br|b|i|em|strong|code|kbd|pre|span|tt)(?:\s[^<>]{0,40})?/?>\s{0,40}+){1,2}(?=[^\s<])"
)
_INDEX: Final = r"(?:\[[\w-]{0,20}\]|%5b[\w-]{0,20}%5d)"
_SIGN: Final = (
    # Lines of a diff, a reply or a comment begin with a sign; in JSON text a line end is a backslash and an `n`.
    r"(?:\s{0,3}[,;])?(?:\s{1,40}+(?:[+>#-]\s{1,40}+)?|\s{0,4}\\{1,7}(?:r\\{1,7})?n(?:[+>#-]|\s){0,40}+)[\"']?value[\"']?\s{0,2}[:=]\s{0,4}(?=\S)"
    # JSON and Terraform print the value as a field of the name: `"db_password": {"sensitive": true, "value": "..."}`.
    r"|\s{0,3}[:=]\s{0,3}\{\s{0,40}+(?:\\{0,3}\"(?:sensitive|type)\\{0,3}\"\s{0,2}:\s{0,2}[^,{}\n]{1,40},\s{0,40}+){0,2}"
    r"\\{0,3}[\"']?value\\{0,3}[\"']?\s{0,2}[:=]\s{0,4}(?=\S)"
    r"|(?:</[\w:]{1,30})?>\s{0,20}+<(?:value|string)>|>\s{0,4}<!\[cdata\["
    # Formatted in HTML: `<b>Password:</b> ...`.
    r"|(?::(?:</[a-z]{1,10}>){1,2}|(?:</[a-z]{1,10}>){1,2}:)\s{0,3}(?:<[a-z]{1,8}[^<>]{0,40}>){0,2}(?=[^\s<])"
    # Other attributes of an element, the type of Go and Rust, the accessors of C#.
    r"|(?:\s{1,3}[a-z-]{1,20}=[\"'][^\"'<>\n]{0,40}[\"']){0,3}\s{1,3}(?:value|content)=(?=[\"'])"
    r"|[ \t]{1,2}string[ \t]{1,2}=[ \t]{1,2}(?=[\"`])|:[ \t]{0,2}&(?:'[a-z]{1,16}[ \t])?str[ \t]=[ \t](?=[\"])"
    # PHP: dumped, and serialised.
    r"|=>\s{0,6}string\([0-9]{1,7}\)[ \t](?=\")|;s:[0-9]{1,7}:(?=\\{0,3}\")"
    # A part of a form (RFC 7578).
    r"|(?:\r?\n){2}(?=[^\s-])"
    r"|[ \t]{1,2}\{[ \t]?get;[^}\n]{0,40}\}[ \t]=[ \t](?=[\"])"
    # A type, `api_key: str = "..."`; a default, `apiKey ?? "..."`; the end of an index, `$h{password} = "..."`.
    # Without a blank before `=` a value must follow the quote: Base64 ends with `=` too, and a quote may end its text.
    r"|\s{0,3}:\s{0,3}(?:[a-z_][\w.\[\],]{0,60}+(?:\s{0,2}\|\s{0,2}[a-z]{1,20})?\s{1,2}"
    r"|(?:str|string|bytes|any|secretstr|optional\[\w{1,20}\]))=\s{0,4}(?=[\"'`])"
    r"|\s{0,3}:\s{0,3}[a-z_][\w.\[\],]{0,60}+=(?=[\"'][\w$@!#%^*]{4})"
    r"|\s{0,3}(?:\?\?=?|\|\|=?|\?:|<-|\}\s{0,2}=|\bor\b)\s{0,4}(?=[\"'])|[ \t]{1,2}-[ \t]{1,2}(?=[\"'])"
    # `password for ada: ...`, `password is generated for ada: ...`, `Secret key [None]: ...`, `key 2: ...`
    r"|[ \t](?:is[ \t]generated[ \t])?(?:for|of)[ \t][^\n:=]{1,96}:\s{1,6}(?=\S)"
    r"|[ \t][\[(][^()\[\]\n]{0,40}[\])]:[ \t]{1,3}(?=\S)"
    r"|[ \t](?:for|of)[ \t](?:the[ \t])?(?:user[ \t])?"
    r"[\"'`]?[\w.@%\"'`-]{1,64}[\"'`]?[ \t]{0,2}(?:\bis\b|[:=])[ \t]{1,2}(?=\S)"
    r"|[ \t]#?[0-9]{1,2}:[ \t]{1,2}(?=\S)"
    rf"|[ \t]{{0,3}}[:=][ \t]{{0,3}}(?:{_DASH}[ \t]{{0,3}}|(?<=[ \t])(?:-{{1,3}}|->)[ \t]{{1,3}})(?=[^\s\"'-])"
    rf"|{_INDEX}?(?:[ \t]{{1,160}}+|&nbsp;|\s{{0,3}}+)(?:{_OPERATOR})\*{{0,2}}[ \t]{{0,160}}+(?:{_BELOW}|\s{{0,4}})"
    rf"{_COLOUR}"
    r"(?:(?:to(?:list|set)\(|(?:new )?set\(|frozenset\(|\[\]string|vec!|(?:new )?string\[\] ?)?"
    r"[\[({]{1,2}\s{0,40}+(?:[+~-][ \t]{1,3})?(?=\\{0,3}[\"']))?(?:[@$]{1,2}(?=\\{0,3}[\"']))?"
    rf"|[ \t]{{1,2}}(?:(?:(?:is|was|has[ \t]been)[ \t])?(?:set|changed|reset)[ \t]to|is|was|ist|lautet|es|est|equals)"
    rf"(?:[ \t]{{1,2}}:?|:)[ \t]{{0,2}}(?:{_BELOW})?"
    r"|[ \t]{0,40}+[|\u2502\u2503][ \t]{0,3}`?(?=[^\s\"'`|\u2502\u2503])"
    r"|>\s{0,40}(?=[^\s<])|\((?=[\"'])|,(?=[^\s\"'`,;]{16})"
    r"|\s{0,2},\s{0,40}(?:default[ \t]?=[ \t]?)?(?=(?:b|\\{0,3})[\"'])|[ \t]{1,3}(?=[\"'][^\s\"']{4})"
    # Prose: dashes and arrows, `password — ...`, `password =: ...`.
    rf"|[ \t]{{0,3}}(?:{_DASH}(?:[ \t]{{0,3}}[:=])?|=:|=[ \t]=)[ \t]{{0,3}}(?=[^\s])"
    r"|[ \t]{1,3}-{1,3}[ \t]{1,3}(?=[^\s\"'-])"
    # A cell of HTML, a default of Terraform, a pair of Lisp, a binary of Erlang, an account between name and sign.
    r"|(?:[\"']\])?[ \t]{0,2}(?:</[\w:]{1,20}>\s{0,12}){1,3}<(?:td|dd)[^<>]{0,60}>\s{0,8}"
    r"(?:<[a-z]{1,8}[^<>]{0,40}>)?(?=[^\s<])"
    r"|[ \t]{1,3}\{[^{}]{0,160}?\bdefault\s{1,20}=\s{1,3}(?=[\"'])|[ \t]\.[ \t](?=\")|,[ \t]{0,3}<<(?=\")"
    r"|[ \t][a-z_]{3,24}[ \t]=[ \t](?=[^\s\"'`]{14})"
    # Brackets of logs, `Password[...]`, dots up to a column, and blanks, as PowerShell prints names and values.
    r"|[ \t]?\[(?=[^\s\"'`\[\](){}<>,;]{8})|[ \t]{0,3}\.{4,160}+[ \t]{1,3}(?=[^\s.])"
    r"|[ \t](?:[ \t]{3,160}+|\t)(?=[^\s\"'`&,;<>|(){}\[\]\\]{8})"
    # The next of a list in YAML.
    r"|[ \t]{0,3}\r?\n[ \t]{0,40}+-[ \t]{1,3}(?=[^\s-])"
    r"|[ \t]{1,3}(?=[^\s\"'`&,;<>|(){}\[\]\\]{8})"
)
_DASHES: Final = re.compile(
    rf"(?:[:=][ \t]{{0,3}})?(?:{_DASH}(?:[ \t]{{0,3}}[:=])?|-{{1,3}})|[:=][ \t]{{1,3}}->|=:|=[ \t]=",
    re.IGNORECASE,
)
# A sign that is not a comparison: a plan can change only a value that is stated.
_STATES: Final = re.compile(rf"\s{{0,160}}{_COLOUR}[=:](?![=>:])")
# An index before a sign, and a fence, the mark of a reply or tags of HTML behind it.
_AROUND_SIGN: Final = re.compile(
    rf"\A{_INDEX}(\s{{0,3}}[:=%])|\A(\s{{0,160}}[:=]\s{{0,160}}\n)[ \t]{{0,8}}(?:`{{3}}\w{{0,12}}\s+|>\s+)\Z"
    r"|(?<=[:=])\s*(?:<[^<>]{1,60}>\s*)+\Z",
    re.IGNORECASE,
)
_COLOURS: Final = re.compile(r"\x1b\[[0-9;]{0,12}m")
# In a search in lower case `[a9...]` could be a password in brackets; `_at` knows markers with digits.
_MARKED: Final = r"\[[a-z][a-z_]{1,31}\]"
# Name and value as fields of one object: `{"name": "API_TOKEN", "value": "..."}`, `EnvVar(name=..., value=...)`.
_OF_PAIR: Final = re.compile(
    r"(?:name|key|header|field|variable)\\{0,3}[\"']?\s{0,2}(?:=>|[:=])\s{0,2}\\{0,3}[\"']?\Z", re.IGNORECASE
)
_PAIRED: Final = re.compile(
    r"\\{0,3}[\"']?\s{0,4}[,;\s][^{}]{0,160}?(?<![\w.-])(?:[a-z]{0,12}_?)?value"
    r"\\{0,3}[\"']?\s{0,2}(?:=>|[:=])\s{0,2}(?=[^\s{\[]|\[[a-z_]{3,24}\])",
    re.IGNORECASE,
)
_PAIRED_BEFORE: Final = re.compile(
    r"(?<![\w.-])value\\{0,3}[\"']?\s{0,2}(?:=>|[:=])\s{0,2}(?:\\{0,3}([\"'])(?P<quoted>[^\"'\\\n]{4,128})\\{0,3}\1"
    r"|(?P<bare>[^\s\"'`&,;<>|(){}\[\]\\]{4,128}|\[[a-z_]{3,24}\]))(?=[\s,;])"
    r"(?:(?!\n[ \t]{0,40}-[ \t]|value)[^{}]){0,60}?(?<![\w.-])"
    r"(?:[a-z]{1,12}_?)?(?:name|key|header|field|variable)\\{0,3}[\"']?\s{0,2}(?:=>|[:=])\s{0,2}\\{0,3}[\"']?\Z",
    re.IGNORECASE,
)
_NEXT_ITEM: Final = re.compile(r"\n[ \t]{0,40}-[ \t]")
# The sign that opens a list of texts, also in a list of changes that Terraform prints.
_OF_ARRAY: Final = re.compile(r"[\[({]\s{0,40}(?:[+~-][ \t]{1,3})?\Z")
_PLAIN_SIGNS: Final = frozenset({"=", ":", ": ", " = "})
_QUOTES: Final = frozenset("\"'`\\ b")
_CELL: Final = re.compile(r"[^\s\"',;]{16,512}(?=[,\r\n]|\Z)")
_HINTED: Final = re.compile(r"[\[(][^()\[\]\n]{0,40}[\])]:")
_FAR: Final = re.compile(r"</\w|\bdefault\b.*=|<<\Z|\A\.\Z|\A[a-z_]{3,24} =\Z", re.DOTALL)
_IN_BRACKETS: Final = re.compile(r"[^\s\"'`\[\](){}<>,;]{8,256}(?=\])")
_BARE: Final = re.compile(r"[^\s\"'`&,;<>|(){}\[\]\\]{1,128}")
_QUOTE: Final = re.compile(
    r"(?:'(?=\"[^\"\n]{1,256}\"'))?(?:[rbuRBUfFN]{1,2})?(\"\"\"|'''|\"\"(?=[^\s\"',;:)\]}])|\\{0,7}[\"'`]|&quot;|&#3[49];)"
)
_IN_DOUBLE: Final = re.compile(r'[^"\\\n]*+(?:\\.[^"\\\n]*+)*+', re.DOTALL)
_IN_SINGLE: Final = re.compile(r"[^'\\\n]*+(?:\\.[^'\\\n]*+)*+", re.DOTALL)
# A quote inside quotes, as SQL, CSV and shells write it: `it''s`, `it'\''s`, `it'"'"'s`.
_JOINED: Final = re.compile(r"""(?:''|""|'\\{1,2}''|'"'"')(?=[^\s"',;:)\]}])""")
# The beginning of a long run decides; `_MORE` reads the rest, once.
_RUN: Final = re.compile(r"[^\s\"'`<>]{1,256}")
# Alone on its line, as in a file of variables, quotes and angle brackets belong to the value.
_RUN_OF_LINE: Final = re.compile(r"\S{1,256}")
_LINE_HEAD: Final = re.compile(r"[ \t]{0,8}(?:[+>#$-] ?|-e |export |set |ENV |ARG ){0,2}")
_END_OF_RUN: Final = re.compile(r"[\"'`](?![A-Za-z0-9])|<(?=/|[A-Za-z]{1,12}[\s/>])|>(?![A-Za-z0-9])")
_ANGLED: Final = re.compile(r"<([^\s\"'`<>]{10,256})>?")
_MORE: Final = re.compile(r"[^\s\"'`&,;<>|(){}\[\]\\]*+")
# The end of a value in a run of characters without blanks: a sign that begins something else.
_END: Final = re.compile(
    r"&(?=[\w.\[\]%-]{1,64}=|amp;|&|$)|;(?=$|[\w .-]{1,40}=)|,(?=$|[\w.-]{1,40}[=:])|[,;&](?=[\])}])|\|(?=$|\|)"
    r"|\\+(?=[nrt\"'u\\]|$)|[\])}](?=[\])}.,;:]*$)|[\])}],|[\])}];"
)
_HEAD_END: Final = re.compile(r"[&,;|(){}\[\]\\\"'`<>]")
_CALL: Final = re.compile(r"[A-Za-z_][\w.]{0,120}[(\[{](?:.*[)\]}][.,;:]*|[^)\]}]*)", re.DOTALL)
_MIXED: Final = re.compile("(?=[^a-z]{0,64}[a-z])(?=[^A-Z]{0,64}[A-Z])(?=[^0-9]{0,64}[0-9])")
_ANY_DIGIT: Final = re.compile("[0-9]")
_TO_LINE_END: Final = re.compile(r"[^\r\n\"'\\]*+")
_SCHEME: Final = re.compile(
    r"(?i)(?:bearer|basic|token|digest|apikey|api-key|negotiate|ntlm|aws4-hmac-sha256|hmac|signature|key|sharedkey|oauth|hawk|mac|splunk|geniekey)\s+(?=\S)"
)
_CREDENTIAL: Final = re.compile(r"\$\([^\n\"']{1,200}|\$?\{\{?[^{}\n]{0,128}\}\}?|[^\s\"',;]{1,256}")
_DIGEST: Final = re.compile(
    r"(?i)(?:digest|signature|hmac|hawk|oauth|mac)\s+"
    r"(?:[\w-]{1,40}=(?:\\{0,3}\"[^\"\r\n\\]*+\\{0,3}\"|[^\s,\"\\]{1,4096})(?:,?[ \t]{0,4}(?=[\w-]{1,40}=))?)++"
)
_COOKIES: Final = re.compile(
    r"[^\s=;,\"'\\]{1,256}=(?:\"(?:[^\"\\\r\n]|\\.)*+\"?|[^\s;\"'\\]++)"
    r"(?:;[^\r\n\"'\\]*+(?:\"(?:[^\"\\\r\n]|\\.)*+\")?)*+"
)
_OUTDENTED: Final = re.compile(r"\n(?=\S)")
_BLOCK: Final = re.compile(r"[|>][+-]?[0-9]?[+-]?[ \t]{0,8}(?:#[^\n]{0,200})?\r?\n")
_HEREDOC: Final = re.compile(
    r"(?:\$\(\s{0,3}cat\s{1,3})?<<[-~]?\s{0,3}[\"'\\]?([A-Za-z_]\w{0,40})[\"']?[^\n]{0,200}\n"
)
_CALLER: Final = re.compile(
    r"(?:define|getenv|setenv|putenv|env|environ|get|fetch|set|put|add|[Hh]eaders?(?:\(\))?\.(?:Set|Add)|append|setdefault|\w{0,40}(?:Property|Header|Var|Variable|Env|Config|Option|"
    r"Secret|Setting|property|header|secret|setting|config|option|env))\s{0,2}\(\s{0,4}\\{0,3}[\"']\Z"
    r"|(?:buildConfigField|resValue)[\s(]{1,3}[\"']\w{1,32}[\"']\s{0,2},\s{0,2}[\"']\Z"
)
_PAIR: Final = re.compile(r"[(\[]\s{0,3}b?\\{0,3}[\"']\Z")
_WRAPPED: Final = re.compile(r"[A-Za-z_][\w.:]{0,40}\(\s{0,3}(?=[\"'])")
_TEMPLATE: Final = re.compile(r"\{\{\s{1,3}(?P<inner>[^\s{}\"'|()$.]{8,256})\s{1,3}\}\}")
_YAML_TAG: Final = re.compile(r"(?:[!&][\w!:/.-]{0,60}[ \t]{1,3}){1,2}(?=\S)")
_LOGIN: Final = re.compile(r"\b(?:login|user|account)\s{1,8}\S{1,64}\s{1,8}\Z")
_COMPARED: Final = re.compile(r"([\"'])([^\"'\\\n]{4,160})\1\s{0,2}(?:[!=]==?|eq|-eq)\s{0,2}\Z")
_TAG: Final = re.compile(r"[ \t][^<>\n]{0,200}>(?=[^\s<])")
_ENV: Final = re.compile(r"[A-Z][A-Z0-9_]{2,}")
_IDENTIFIER: Final = re.compile(r"[A-Za-z_]+(?:[.\-/:_][A-Za-z_]*)*")
_NEXT_NAME: Final = re.compile(r"\\{0,3}[\"'](?:-|[A-Za-z_]+(?:[.\-/:_][A-Za-z_]*)*\\{0,3}[\"'])")
_PATH: Final = re.compile(r"(?:~|\.{0,2})/[\w.~-]+(?:/[\w.~*-]*)+|[a-z][a-z0-9+.-]*://.*|urn:ietf:[\w:.-]+")
_READS: Final = re.compile("(?:get|set|find|delete|read|load|has|put)(?=_|[A-Z])")
_FIELDS: Final = re.compile(r"\{[^{}]{0,128}\}")
_TWO_WORDS: Final = re.compile(r"[A-Za-z]{1,32}(?:_[a-z]{1,32}|[A-Z][a-z]{1,32})")
# Rules for a field, as validators of forms define them: `'password' => 'required|min:8'`.
_RULES: Final = re.compile(
    r"(?:required|nullable|sometimes|string|bail|confirmed|present|filled)(?:\|[a-z_]{2,24}(?::[\w,.-]{1,40})?){0,8}"
)
_SHORTEST: Final = 3
_TYPE_NAME: Final = re.compile(
    r"(?:[a-z_][a-z0-9_]{0,40}\.){1,6}[A-Za-z]\w{0,60}|(?:[A-Z][a-z]{0,24}[0-9]{0,6}_?){0,10}(?:Key|Keys|Type|Types|Mgr)"
)
_KEY_END: Final = re.compile(r"\\{0,3}[\"'`]\s{0,3}:")

# The value of `Set-Cookie` is a list of pairs, that of `COOKIE_SECRET` is not.
_OF_COOKIES: Final = re.compile("cookies?2?\\Z", re.IGNORECASE)
_UNDECIDED: Final = (-1, -1, "")

type _Place = tuple[int, int, str]
"""Beginning, end and kind of a value."""
type _Answer = tuple[_Place | None, int | None]

_REDACTED: Final = (-2, -2, "")
_WHOLE_MARKER: Final = re.compile(r"\[[A-Z_]{3,24}\]")
_SPENT: Final[_Answer] = (_UNDECIDED, None)

type KindFor = Callable[[str], str | None]
"""Returns the kind of secret that a field with a name has, None if its name is not that of a secret."""


class NamedSecrets:
    """Finds values by the names beside them.

    Args:
        kind_for: judges names.
        words: every name of a secret contains one of these texts, in lower case; None for any name.
    """

    def __init__(self, kind_for: KindFor = kind_of, words: tuple[str, ...] | None = ANCHORS) -> None:
        self._kind_for = kind_for
        if words is None:
            # Names that a configuration defines have no words in common.
            self._name = self._any_name = _search_for(r"(?<![\w.\-])[\w\-]")
        else:
            self._name = _search_for(pattern_of(word for word in words if word.isascii()))
            self._any_name = _search_for(pattern_of(words))
        self._names: dict[str, tuple[str | None, bool]] = {}

    def search(
        self,
        text: str,
        low: str,
        start: int,
        end: int,
        found: "Callable[[int, int, str], object]",
        budget: Budget,
    ) -> None:
        """Report the values of the names that begin in a part of a text.

        Args:
            text: the whole text.
            low: the text in lower case, of the same length.
            start: where the part begins.
            end: where the part ends.
            found: called with the beginning, end and kind of each value.
            budget: counts each name that is judged; the search stops when it is spent.
        """
        at = start
        limit = min(len(text), end + 512)
        plain = text.isascii() or low[at:limit].isascii() or not _OTHER_LETTERS.search(low, at, limit)
        pattern = self._name if plain else self._any_name
        near = pattern.search
        # For a small part, nothing after it is read before a name begins in it.
        near_end = min(end + _LONGEST_WORD, limit)
        if end - at <= _NEAR:
            match = near(low, at, near_end)
            if match is not None:
                match = windows.search(pattern, low, match.start(), limit)
        else:
            match = windows.search(pattern, low, at, limit)
        if match is None:
            return
        tables = Tables(text, self._kind_for, found, budget)
        same: dict[str, _Answer] = {}
        seen: set[str] = set()
        last = len(text) - _RIGHT
        last_around, answer = "", None
        while match is not None and (first := match.start()) < end:
            if budget.is_spent(first, HIT):
                return
            at = match.end()
            group = match.lastgroup
            if group == "marked" or (
                text[at - 1] == "]"
                and text[text.rfind("[", max(0, first - _LONGEST_MARKER), at) : at] in ALL_MARKERS
            ):
                pass
            elif group == "sign" or _worth_a_look(text, first, match.start("close"), at):
                if first < _LEFT or at > last:
                    judged = self._judge(text, match, seen, budget)
                    if judged is _SPENT:
                        return
                    value, begin = judged
                else:
                    # Repetitions are judged once: the same name, sign and value, with the same text around them.
                    around = text[first - _LEFT : at + _RIGHT]
                    # Comparing two texts is faster than hashing one.
                    if around != last_around:
                        answer = same.get(around)
                        last_around = around if answer is not None else ""
                    if answer is None:
                        judged = self._judge(text, match, seen, budget)
                        if judged is _SPENT:
                            return
                        answer = _moved(judged, -first)
                        if _is_near(text, first, at, answer, tag=group != "sign"):
                            if len(same) >= _MOST_SAME:
                                same.clear()
                            same[around] = answer
                    value, begin = answer
                    if value is not None:
                        value = (value[0] + first, value[1] + first, value[2])
                    elif begin is not None:
                        begin += first
                if value is not None:
                    if budget.is_spent(first, REPLACED):
                        return
                    found(*value)
                    at = max(at, value[1])
                elif begin is not None:
                    tables.look(begin, match.start("close"))
            # The next name is usually near; a search in windows takes longer.
            begin = at
            if at + _NEAR > near_end:
                match = near(low, at, near_end)
                if match is None:
                    return
                begin = match.start()
            match = near(low, begin, at + _NEAR)
            if match is None:
                match = windows.search(pattern, low, min(at + _SURE, limit), limit)
            elif match.end() > at + _SURE:
                match = windows.search(pattern, low, min(at + _SURE, match.start(), limit), limit)

    def _judge(self, text: str, match: "re.Match[str]", seen: set[str], budget: Budget) -> "_Answer":
        """Return position and kind of the value of a name, and where the name begins if it can head a column.

        The answer is `_SPENT` if the name is that of a secret and the budget is too small to judge its value.
        """
        start = match.start()
        end, closed = match.span("close")
        sign = match["sign"]
        begin = start
        if start and text[start - 1] not in _STOPS:
            head = _HEAD.match(text[max(0, start - 64) : start][::-1])
            begin = start - (len(head[0]) if head is not None else 0)
        name = text[max(begin, end - _LONGEST_NAME) : end].strip("-.")
        if begin < start and text[begin] in "nrt" and text[begin - 1 : begin] == "\\":
            # The letter may belong to an escape: `\tpassword\n`.
            rest = text[max(begin + 1, end - _LONGEST_NAME) : end].strip("-.")
            if (self._names.get(rest) or self._remembered(rest))[0] is not None:
                begin, name = begin + 1, rest
        if name not in seen:
            # Also for one that an earlier search has judged: the result must not depend on the cache.
            seen.add(name)
            if budget.is_spent(start, NEW_NAME):
                return _SPENT
        kind, plain = self._names.get(name) or self._remembered(name)
        vague = False
        if kind is None:
            both = _with_word_before(text, begin, name, sign)
            if both and both not in seen:
                seen.add(both)
                if budget.is_spent(start, NEW_NAME):
                    return _SPENT
            kind, vague = self._kind_with_words(text, begin, name, sign, both)
            plain = plain and not vague
            if kind is None:
                return None, None
        if budget.is_spent(start):
            return _SPENT
        value = _pair(text, begin, closed, kind, sign)
        if value is _REDACTED:
            return None, None
        if value is not None:
            pass
        elif sign is None or (sign[0] == " " and text[begin - 1 : begin] == "<"):
            value = _without_sign(text, begin, closed, kind)
        elif plans.behind_unstated(text, match.end()) is None:
            if plain and closed == end and sign in _PLAIN_SIGNS:
                # Most names with a value end here; the others take the slow path.
                short = _short(text, match.end(), kind, sign)
                if short is not _UNDECIDED:
                    return short, None
            value = _value(_Named(text, begin, match.end(), kind, name, sign, closed > end, vague))

        def is_hidden(stated: str) -> bool:
            return not (vague and not looks_like_key(stated)) and not (
                is_weak(name) and not _holds(name, kind, stated)
            )

        if value is not None and not is_hidden(text[value[0] : value[1]]):
            return None, None
        if sign is not None and _STATES.match(sign):
            value = _with_change(text, match.end(), value, kind, is_hidden)
        if value is not None and value[1] - value[0] >= _DECIDING:
            # The rest of a long run is read only when it is certain to be redacted.
            more = _MORE.match(text, value[1])
            value = (value[0], value[1] if more is None else more.end(), value[2])
        return value, begin if sign is None or sign[0] not in ":=" else None

    def _remembered(self, name: str) -> tuple[str | None, bool]:
        """Return the kind of a name, and whether its values have no fixed form, like those of cookies."""
        lowered_name = name.lower()
        plain = not (
            is_weak(name)
            or _OF_COOKIES.search(name)
            or lowered_name.endswith(("authorization", "otp", "code"))
            or _NAMES_WORDS.search(lowered_name)
            or name in {"PWD", "OLDPWD"}
        )
        if len(self._names) >= _NAMES_KEPT:
            self._names = {}
        known = self._names[name] = (self._kind_for(name), plain)
        return known

    def _kind_with_words(
        self, text: str, begin: int, name: str, sign: str | None, both: str
    ) -> tuple[str | None, bool]:
        """Judge a name of two words, `api key: ...`, and one that is a secret's only in an address, `?sig=...`.

        Returns:
            The kind, and whether only the value can decide.
        """
        if both and (kind := self._kind_for(both)) is not None:
            return kind, is_vague(both)
        if name in _KEYS and sign is not None and (sign == "=" or sign.strip() in {"is", ":"}):
            # Each word may precede `key`, and none has to: the value decides.
            return markers.API_KEY, True
        in_query = name.lower().endswith("sig") and text[begin - 1 : begin] in {"?", "&"}
        return (markers.TOKEN if in_query else None), False


def _with_word_before(text: str, begin: int, name: str, sign: str | None) -> str:
    """Return a name with the word before it if both can be one name, `api key: ...`; an empty text otherwise."""
    if text[begin - 1 : begin] != " " or not name.isalpha():
        return ""
    if sign is not None:
        bare = sign.strip()
        if not (
            bare in {"is", "was", "->"}
            or bare[:1] in ":=|[.\u2502\u2503"
            or _DASHES.fullmatch(bare) is not None
            or sign.rstrip()[-1] == ":"
        ):
            return ""
    word = _BEFORE.search(text, max(0, begin - 25), begin)
    return "" if word is None else f"{word[0]}{name}"


def _moved(answer: "_Answer", by: int) -> "_Answer":
    value, begin = answer
    return (
        None if value is None else (value[0] + by, value[1] + by, value[2]),
        None if begin is None else begin + by,
    )


def _is_near(text: str, first: int, at: int, answer: "_Answer", *, tag: bool = False) -> bool:
    """Return whether only text near a name has decided about its value.

    Args:
        text: the whole text.
        first: where the name begins.
        at: where the value begins.
        answer: the decision, its positions relative to `first`.
        tag: True if name and value are parts of a tag, with no sign such as `=` between them.
    """
    value = answer[0]
    if value is not None:
        return value[1] + first < at + _DECIDING
    if tag:
        begin = first if answer[1] is None else first + answer[1]
        # The text of a tag may be long.
        return text[begin - 1 : begin] not in {"<", ":"} or text[at : at + 1] not in {" ", "\t"}
    quote = _QUOTE.match(text, at)
    if quote is not None:
        return _closing(text, quote.end(), quote[1]) < at + _DECIDING
    following = text[at : at + 1]
    if lists.begins_with_gap(text, at):
        return False
    if following in {"|", ">"}:
        # A block of lines ends before a line that is not indented.
        return _BLOCK.match(text, at) is None or _OUTDENTED.search(text, at, at + _RIGHT) is not None
    return following not in {"<", "$"} or _HEREDOC.match(text, at) is None


def _worth_a_look(text: str, start: int, end: int, closed: int) -> bool:
    """Return whether a name without a sign after it can have a value: a tag's, one before it, or a column's."""
    behind = text[end : end + 1]
    if text[closed : closed + 1] in {"}", ""}:
        return True  # `{"value": "...", "name": "API_TOKEN"}`
    if behind in _OF_TABLES or text[closed : closed + 1] in _OF_TABLES:
        return True
    if behind == " " and (
        text[end + 1 : end + 2] == " " or text[end : end + _PADDING].lstrip(" ")[:1] in _OF_TABLES
    ):
        return True
    before = text[max(0, start - 40) : start]
    return "<" in before or "=" in before or " eq " in before or before[-1:] in _OF_TABLES


def _short(text: str, at: int, kind: str, sign: str) -> tuple[int, int, str] | None:
    """Decide about a value of letters and digits that ends at a blank; `_UNDECIDED` for all others."""
    run = _BARE.match(text, at)
    if run is None:
        return _UNDECIDED
    value, end = run[0], run.end()
    if len(value) >= _DECIDING or text[end : end + 1] not in _BLANKS:
        if kind in _NEED_DIGITS and "=" in value and not _ANY_DIGIT.search(value) and len(value) > 100:
            return None
        return _UNDECIDED
    value = value.rstrip(".:?") if sign != "=" else value.rstrip(".")
    if not value.isalnum() or not value.isascii() or value.isdigit():
        return _UNDECIDED
    size = len(value)
    if not value.isalpha():
        if kind in {markers.PASSWORD, markers.FIELD}:
            return (at, at + size, kind) if size >= 4 else None
        return (at, at + size, kind) if size >= 8 and kind in _FREE else _UNDECIDED
    return None if sign != "=" and size < 6 else _UNDECIDED


# Parts of the words that are not ASCII.
_OTHER_LETTERS: Final = re.compile(
    "[" + "".join({c for word in ANCHORS for c in word if not c.isascii()}) + "]"
)


def _search_for(words: str) -> "re.Pattern[str]":
    """Return a search for names that contain one of some words, and for the sign after them."""
    return re.compile(
        rf"(?:{words})[\w.\-]*+(?P<close>{_CLOSE})"
        rf"(?:(?P<marked>[=:] ?(?={_MARKED}))|(?P<sign>(?:{_SIGN})(?![=>]?{_MARKED})))?"
    )


_NAME_OF_SECRET: Final = re.compile(pattern_of(ANCHORS))


def may_name(text: str) -> bool:
    """Return whether a text may contain the name of a secret."""
    return not text.isascii() or _NAME_OF_SECRET.search(text.lower()) is not None


def name_places(text: str) -> list[int]:
    """Return positions inside possible names of secrets in a text."""
    return [match.start() for match in windows.finditer(_NAME_OF_SECRET, lowered(text))]


def is_empty_authorization(value: str) -> bool:
    """Return whether the value of an `Authorization` header has a placeholder instead of a credential."""
    scheme = _SCHEME.match(value)
    return scheme is not None and all(map(is_placeholder, value[scheme.end() :].strip().split(":")))


def _holds(name: str, kind: str, value: str) -> bool:
    """Return whether a value can be the secret that a weak name suggests."""
    if hints_at(name, value):
        return True
    # A password in `pass` or `pw` may be shorter than a key.
    return (
        kind == markers.PASSWORD
        and len(value) >= 4
        and " " not in value
        and not value.isdigit()
        and (_ANY_DIGIT.search(value) is not None or not value.isalnum())
        and _IDENTIFIER.fullmatch(value) is None
    )


def _pair(text: str, begin: int, end: int, kind: str, sign: str | None) -> tuple[int, int, str] | None:
    """Judge the field `value` of an object whose field `name` is the name of a secret.

    Both fields are within the characters around the name that decide about its value. The answer is `_REDACTED` if a
    marker replaces the value: the next object begins after the name.
    """
    if text[begin - 1 : begin] not in _BEFORE_NAME or begin == 0:
        return None
    low = max(0, begin - 170)
    before = text[low:begin]
    if _OF_PAIR.search(before, max(0, len(before) - 24)) is None:
        return None
    behind = _PAIRED.match(text, end, end + 240)
    if behind is None or _NEXT_ITEM.search(behind[0]) is not None:
        if sign is not None and "value" in sign and _NEXT_ITEM.search(sign) is None:
            return None
        value = _PAIRED_BEFORE.search(before)
        if value is None:
            return None
        group = "quoted" if value["bare"] is None else "bare"
        stated = value[group]
        if _WHOLE_MARKER.fullmatch(stated) is not None:
            return _REDACTED
        if not _meant(stated, kind, data=group == "quoted"):
            return None
        return low + value.start(group), low + value.end(group), kind
    at = behind.end()
    quote = _QUOTE.match(text, at)
    if quote is None:
        # Lines of YAML are judged by their sign.
        run = None if "\n" in behind[0] else _BARE.match(text, at)
        if run is None or not _meant(run[0], kind, data=False) or _ANY_DIGIT.search(run[0]) is None:
            return None
        return at, run.end(), kind
    last = _closing(text, quote.end(), quote[1])
    return (quote.end(), last, kind) if _meant(text[quote.end() : last], kind, data=True) else None


def _without_sign(text: str, begin: int, end: int, kind: str) -> tuple[int, int, str] | None:
    if text[begin - 1 : begin] in {"<", ":"} and (tag := _TAG.match(text, end)) is not None:
        closing = text.find("<", tag.end(), tag.end() + 65_536)
        stop = closing if closing >= 0 else tag.end()
        value = text[tag.end() : stop].strip()
        return (tag.end(), stop, kind) if _meant(value, kind, data=True) else None
    compared = _COMPARED.search(text[max(0, begin - 170) : begin])
    if compared is None or not _meant(compared[2], kind, data=False):
        return None
    shift = max(0, begin - 170)
    return shift + compared.start(2), shift + compared.end(2), kind


def find(text: str, at: int) -> tuple[int, int, str] | None:
    """Return position and kind of the value of the name around `text[at:]`; None if nothing is to be redacted."""
    found: list[tuple[int, int, str]] = []
    _ANY_NAMES.search(
        text,
        lowered(text),
        at,
        at + 16,
        lambda first, last, kind: found.append((first, last, kind)),
        Unlimited(),
    )
    return found[0] if found else None


_OPTION: Final = re.compile(r"--(?P<name>[A-Za-z][\w-]{0,60}+)(?:=|[ \t]{1,3})(?=[^\s-])")


def option(text: str, at: int) -> tuple[int, int, str] | None:
    """Return position and kind of the value of the option at `text[at:]`; None if nothing is to be redacted."""
    found: list[tuple[int, int, str]] = []
    options(
        text, at, at + 1, kind_of, lambda first, last, kind: found.append((first, last, kind)), Unlimited()
    )
    return found[0] if found else None


def options(
    text: str,
    start: int,
    end: int,
    kind_for: KindFor,
    found: "Callable[[int, int, str], object]",
    budget: Budget,
) -> None:
    """Report the values of the options of commands that begin in a part of a text: `--db-password hunter2`."""
    same: dict[str, _Answer] = {}
    limit = end + 72
    match = _OPTION.search(text, start, limit)
    while match is not None and match.start() < end:
        first, at = match.span()
        behind = first + 3
        if budget.is_spent(first, 1):
            return
        kind = kind_for(match["name"])
        if kind is not None:
            around = text[first : at + _RIGHT]
            answer = same.get(around)
            if answer is None:
                if budget.is_spent(first):
                    return
                value = _at(text, first, at, kind, match["name"], "=", quoted=False, sure=True)
                answer = _moved((value, None), -first)
                if at + _RIGHT <= len(text) and len(same) < _MOST_SAME and _is_near(text, first, at, answer):
                    same[around] = answer
            value = _moved(answer, first)[0]
            if value is not None:
                found(*value)
                behind = value[1]
        match = _OPTION.search(text, behind, limit)


def lowered(text: str) -> str:
    """Return a text in lower case, of the same length."""
    low = text.lower()
    # A few letters become two in lower case, which would shift all positions.
    return low if len(low) == len(text) else "".join(c.lower() if c < "\x80" else c for c in text)


class _Named(NamedTuple):
    """A name of a secret in a text, and the sign after it.

    Attributes:
        text: the whole text.
        begin: where the name begins.
        at: the position after the sign.
        kind: the kind of the name.
        name: the name.
        sign: the sign, with the blanks around it.
        quoted: whether the name is in quotes.
        vague: whether only the value can decide that it is a secret.
    """

    text: str
    begin: int
    at: int
    kind: str
    name: str
    sign: str
    quoted: bool
    vague: bool

    @property
    def before(self) -> str:
        """Return the character before the name."""
        return self.text[self.begin - 1 : self.begin]

    @property
    def following(self) -> str:
        """Return the character after the sign."""
        return self.text[self.at : self.at + 1]

    @property
    def is_option(self) -> bool:
        """Return whether the name is that of an option of a command."""
        return self.text.startswith("--", self.begin)

    @property
    def is_short(self) -> bool:
        """Return whether the value can only be short."""
        return is_weak(self.name) or self.name in _KEYS


class _Reading(NamedTuple):
    """How a value is read: its sign, whether the name is in quotes, whether it is not a word of a program."""

    sign: str
    quoted: bool
    sure: bool = False


def _value(named: _Named) -> "_Place | None":
    """Judge the text after the name of a secret and a sign."""
    sign = _COLOURS.sub("", named.sign) if "\x1b" in named.sign else named.sign
    if len(sign) > 3:
        sign = _AROUND_SIGN.sub(r"\1\2", sign)
    found = _by_sign(named._replace(sign=sign), sign.strip())
    if not isinstance(found, _Reading):
        return found
    value = _at(
        named.text,
        named.begin,
        named.at,
        named.kind,
        named.name,
        found.sign,
        quoted=found.quoted,
        sure=found.sure,
    )
    if (
        value is not None
        and _OF_ARRAY.search(sign)
        and named.kind in _FREE
        and not (named.is_short or named.vague)
    ):
        return value[0], lists.rest_of_array(named.text, value[1]), named.kind
    return value


def _by_sign(named: _Named, bare: str) -> "_Place | _Reading | None":
    """Return the value after a sign, or how to read it; `bare` is the sign without blanks around it."""
    sign, kind = named.sign, named.kind
    if not bare:
        return _behind_line_end(named) if "\n" in sign else _behind_blank(named)
    if bare == "[":
        return _bracketed(named.text, named.at, kind)
    if bare[0] in "[.":
        return _Reading("is", quoted=False)
    if bare[0] == ",":
        return _behind_comma(named)
    if "\n" in sign and bare == "-":
        return _Reading("=", named.quoted, sure=True) if named.is_option else None
    if bare[0] in _BARS and bare[-1] == "`":
        return _aside(named.text, named.at, kind)
    if _DASHES.fullmatch(bare) is not None and named.following not in {'"', "'"}:
        return _Reading("is", quoted=False)
    if (
        bare[0] in _BARS
        or bare[0] in {"i", "w", "e", "l"}
        or bare.rstrip(": ").endswith(" to")
        or sign.startswith((" for ", " of "))
        or _HINTED.fullmatch(bare)
    ):
        return _Reading("is", named.quoted)
    if _FAR.search(bare) is not None:
        if "default" in bare and named.text[named.begin - 10 : named.begin] != 'variable "':
            return None
        return _aside(named.text, named.at, kind)
    if " get;" in sign or "{get;" in sign or "string" in sign or "str " in sign:
        return _Reading(" = ", named.quoted)
    if "value" in sign or "content" in sign or "<" in sign or bare == ">":
        return _in_tag(named, bare)
    if bare in {"==", "===", "!=", "!==", ":-"}:
        return _Reading(" = ", named.quoted)
    if bare in {"or", "??", "||", "?:"}:
        return _Reading(sign, quoted=False)  # a name with a default is that of a variable or a header
    return _behind_operator(named, bare)


def _behind_line_end(named: _Named) -> "_Reading | None":
    """Judge a value in the line below its name, as in parts of a form."""
    if named.text[named.begin - 6 : named.begin] != 'name="':
        return None
    return _Reading("=", named.quoted, sure=True)


def _behind_blank(named: _Named) -> "_Place | _Reading | None":
    """Judge a value separated from its name by blanks only, if it cannot be ordinary text."""
    text, begin, at, kind = named.text, named.begin, named.at, named.kind
    if named.following in {'"', "'"}:
        return _stated(text, at, kind, named.name)
    # In files of logins a blank separates all words: `machine db login ada password hunter22`.
    if (
        kind == markers.PASSWORD
        and _LOGIN.search(text[max(0, begin - 96) : begin]) is not None
        and (value := _BARE.match(text, at)) is not None
        and _ANY_DIGIT.search(value[0])
    ):
        return _Reading("=", named.quoted, sure=True)
    if len(named.sign) > 3 or "\t" in named.sign:
        return _padded(text, begin, at, kind)
    return _Reading(" ", named.quoted)


def _behind_comma(named: _Named) -> "_Place | _Reading | None":
    """Judge an argument of a call, or the next item of a list: `getenv("KEY", "...")`, `["--password", "..."]`."""
    text, begin, at, kind, quoted = named.text, named.begin, named.at, named.kind, named.quoted
    if quoted and not named.is_option and (pair := _second(text, begin, at, kind)) is not None:
        return pair
    if text[at - 1] == "," and text[at] not in _QUOTES:
        return _record(text, begin, at, kind)
    if not quoted and named.before == "{" and kind in _FREE:
        return _aside(text, at, kind)
    if not quoted and _ENV.fullmatch(named.name) and "_" in named.name and not named.is_option:
        return _constant(text, at, kind)
    if not quoted or not (named.is_option or _CALLER.search(text[max(0, begin - 80) : begin])):
        return None
    if named.is_option and _NEXT_NAME.match(text, at):
        return None  # `click.option("--password", "-p", "secret_of_the_user")`
    return _Reading("=", quoted, sure=named.is_option)


def _in_tag(named: _Named, bare: str) -> "_Reading | None":
    """Judge the text of a tag, and a value after the word `value`."""
    if bare == ">":
        if named.sign[-1].isspace() and named.before not in {"<", ":"}:
            return None  # not the end of a tag
        if named.following == "@" and named.text[named.begin - 2 : named.begin] == ":<":
            return None  # `<user>:<password>@host`
        return _Reading("=", named.quoted)
    return _Reading("=", named.quoted, sure="value" in named.sign or "content" in named.sign)


def _behind_operator(named: _Named, bare: str) -> "_Place | _Reading | None":
    """Judge a value after `=`, `:` and the operators of programming languages, in one line or in several."""
    text, at, kind, sign = named.text, named.at, named.kind, named.sign
    # A parameter of an address, or a variable of the environment: what follows is a value.
    sure = sign == "=" and (
        named.before in {"?", "&"}
        or (_ENV.fullmatch(named.name) is not None and named.before in {"", " ", "\n", '"', "'", "\t", ";"})
    )
    block = _block(text, at, named.begin, kind, short=named.is_short)
    if block is not None:
        return block
    if (
        bare == ":"
        and ("\n" in sign or named.following == "#")
        and kind in _FREE
        and not (named.is_short or named.vague)
        and (items := lists.block(text, at, kind) or lists.below_comment(text, at, kind)) is not None
    ):
        return items
    if "%" in sign or "&" in sign:
        sign = "="
    if named.following in {"!", "&"} and (tag := _YAML_TAG.match(text, at)) is not None:
        if MARKER.match(text, tag.end()):
            return None
        value = _at(text, named.begin, tag.end(), kind, named.name, sign, quoted=named.quoted, sure=sure)
        if value is not None:
            # A possible beginning of a password is redacted too.
            return (at, *value[1:]) if _ANY_DIGIT.search(tag[0]) else value
    return _Reading(sign, named.quoted, sure)


def _with_change(
    text: str, at: int, value: "_Place | None", kind: str, is_hidden: Callable[[str], bool]
) -> "_Place | None":
    """Return a value with the one that a plan changes it to, as one secret.

    Args:
        text: the whole text.
        at: where the old value begins.
        value: the result for the old one.
        kind: the kind of the name.
        is_hidden: returns whether the new value is to be redacted.
    """
    begin = plans.behind_unstated(text, at)
    if begin is None:
        quote = _QUOTE.match(text, at)
        if quote is None:
            return value
        if value is not None:
            end = value[1]
        elif text.find("> ", quote.end(), quote.end() + 2 * _DECIDING) >= 0:
            end = _closing(text, quote.end(), quote[1])
        else:
            return None
        begin = plans.behind_old(text, end + len(quote[1]))
    quote = None if begin is None else _QUOTE.match(text, begin)
    if quote is None:
        return value
    start = quote.end()
    end = _closing(text, start, quote[1])
    # A long one is never a placeholder, so the text nearby decides.
    if end < at + 2 * _DECIDING and not (
        is_hidden(text[start:end]) and _meant(text[start:end], kind, data=True)
    ):
        return value
    return (start if value is None else value[0]), end, kind


def _record(text: str, begin: int, at: int, kind: str) -> tuple[int, int, str] | None:
    """Judge the second column of a line that begins with a name: `API_TOKEN,4f7Gh2Kq9ZtB5xW8,`."""
    value = _CELL.match(text, at)
    alone = begin == 0 or text[begin - 1] == "\n"
    return (at, value.end(), kind) if value is not None and alone and looks_like_key(value[0]) else None


def _bracketed(text: str, at: int, kind: str) -> tuple[int, int, str] | None:
    """Judge a text in brackets after a name that is not an index: `Password[hunter2hunter2]`."""
    value = _IN_BRACKETS.match(text, at)
    if kind not in _FREE or value is None or not looks_secret(value[0]):
        return None
    return at, value.end(), kind


def _padded(text: str, begin: int, at: int, kind: str) -> tuple[int, int, str] | None:
    """Judge the second of two columns separated by blanks, as PowerShell prints a variable and its value."""
    value = _BARE.match(text, at)
    if kind not in _FREE or value is None or text[value.end() : value.end() + 1] not in _BLANKS:
        return None
    line = text.rfind("\n", max(0, begin - 24), begin)
    if (line < 0 and begin > 24) or text[line + 1 : begin].strip(" \t+>#$-") or not looks_secret(value[0]):
        return None
    return at, value.end(), kind


def _aside(text: str, at: int, kind: str) -> tuple[int, int, str] | None:
    """Judge a value in an ambiguous place, with or without quotes: only one that looks like a secret."""
    quote = _QUOTE.match(text, at)
    if quote is not None:
        at = quote.end()
        end = _closing(text, at, quote[1])
    else:
        run = _BARE.match(text, at)
        end = at if run is None else run.end()
    return (at, end, kind) if kind in _FREE and looks_secret(text[at:end]) else None


def _constant(text: str, at: int, kind: str) -> tuple[int, int, str] | None:
    """Judge the argument after a constant: `curl_easy_setopt(curl, CURLOPT_PASSWORD, "hunter2")`."""
    quote = _QUOTE.match(text, at)
    if quote is None:
        return None
    end = _closing(text, quote.end(), quote[1])
    value = text[quote.end() : end]
    return (quote.end(), end, kind) if looks_secret(value) and _meant(value, kind, data=False) else None


def _second(text: str, begin: int, at: int, kind: str) -> tuple[int, int, str] | None:
    """Judge the second of two texts in brackets: `(b"x-api-key", b"...")`."""
    quote = _QUOTE.match(text, at)
    if quote is None or _PAIR.search(text[max(0, begin - 8) : begin]) is None:
        return None
    end = _closing(text, quote.end(), quote[1])
    value = text[quote.end() : end]
    if (
        text[end + len(quote[1]) :][:1] not in {")", "]"}
        or not looks_secret(value)
        or not _ANY_DIGIT.search(value)
    ):
        return None
    return quote.end(), end, kind


def _stated(text: str, at: int, kind: str, name: str) -> tuple[int, int, str] | None:
    """Judge a quoted value after a name and a blank, as in SQL: `PASSWORD 'hunter2'`."""
    end = _closing(text, at + 1, text[at])
    value = text[at + 1 : end]
    if _ENV.fullmatch(name) and kind in _FREE and looks_secret(value):
        return at + 1, end, kind  # `setx API_KEY "..."`, `#define API_KEY "..."`
    if kind != markers.PASSWORD or not _ANY_DIGIT.search(value) or " " in value or len(value) < 6:
        return None
    return (at + 1, end, kind) if _meant(value, kind, data=False) else None


def _block(text: str, at: int, begin: int, kind: str, *, short: bool) -> tuple[int, int, str] | None:
    """Return the lines of a block scalar of YAML or of a here-document; None if the value is neither.

    `short` limits the value to one line: a weak name never has several, and reading them again for each name would take
    quadratic time.
    """
    if text[at : at + 1] in {"!", "&"} and (tag := _YAML_TAG.match(text, at)) is not None:
        at = tag.end()
    following = text[at : at + 1]
    if following in {"|", ">"}:
        head = _BLOCK.match(text, at)
        if head is None:
            return None
        line = text.rfind("\n", max(0, begin - 400), begin) + 1
        indent = len(text[line:begin]) - len(text[line:begin].lstrip(" -"))
        deeper = _deeper(indent, 1 if short else None).match(text, head.end())
        if deeper is None or not deeper[0].strip():
            return None
        start = head.end() + len(deeper[0]) - len(deeper[0].lstrip())
        end = head.end() + len(deeper[0].rstrip())
        return None if MARKER.fullmatch(text[start:end]) else (start, end, kind)
    if following in {"<", "$"} and (doc := _HEREDOC.match(text, at)) is not None:
        second = text.find("\n", doc.end(), doc.end() + _LONGEST_LINE) + 1
        end = second if short else _terminator(text, doc.end(), doc[1])
        if short and not (second and text.startswith(doc[1], second)):
            return None
        body = text[doc.end() : end]
        inner = doc.end() + len(body) - len(body.lstrip())
        end = doc.end() + len(body.rstrip())
        return (inner, end, kind) if inner < end and not MARKER.fullmatch(text[inner:end]) else None
    return None


def _terminator(text: str, start: int, word: str) -> int:
    """Return where the line that ends a here-document begins; the end of the text if there is none."""
    at = text.find(word, start)
    while at >= 0:
        line = text.rfind("\n", start - 1, at) + 1
        if not text[line:at].strip(" \t") and not text[at + len(word) : at + len(word) + 1].isalnum():
            return line
        after = text.find("\n", at)
        at = text.find(word, after) if after >= 0 else -1
    return len(text)


@lru_cache(maxsize=512)
def _deeper(indent: int, most: int | None) -> "re.Pattern[str]":
    """Return a pattern for lines with a deeper indent, and empty ones between them; `most` lines, None for all."""
    number = "+" if most is None else f"{{1,{most}}}"
    return re.compile(rf"(?:[ \t]{{{indent + 1},}}[^\n]*\n?|[ \t]*\r?\n){number}")


def _at(
    text: str, begin: int, at: int, kind: str, name: str, sign: str, *, quoted: bool, sure: bool
) -> tuple[int, int, str] | None:
    """Judge the text after a name and its sign.

    Args:
        text: the whole text.
        begin: where the name begins.
        at: where the value begins.
        kind: the kind of the name.
        name: the name.
        sign: the text between them: `=`, `:`, `is`, or a blank.
        quoted: whether the name is in quotes.
        sure: whether the text is a value, not a word of a program.
    """
    if MARKER.match(text, at):
        return None
    quote = _QUOTE.match(text, at)
    if quote is not None and sign != " ":
        start = quote.end()
        if text[at - 1] == ">" and text[start : start + 1] in {"", "}", ")", "]", ",", ";", "\n"}:
            return None  # a placeholder that a quote ends: `"<user>:<password>"`
        end = _closing(text, start, quote[1])
        value = text[start:end]
        if is_empty_authorization(value) or ("{" in sign and _KEY_END.match(text, end) is not None):
            return None  # `f"Bearer {token}"`; the first key of a mapping
        if (
            sign == "("
            and text[end + len(quote[1]) :][:1] == ","
            and (_OF_COOKIES.search(name) or _READS.match(name.rpartition(".")[2]))
        ):
            return None  # `new Cookie("name", value)`, `get_password("service", "user")`
        if (
            quote.start(1) > at
            and "{" in value
            and text[at] in "fF"
            and not looks_secret(_FIELDS.sub("", value))
        ):
            return None  # `f"{user}:{password}"`
        # A quoted name means data, in which a word is enough; in code it may be a word of the program.
        return (start, end, kind) if _meant(value, kind, data=quoted or sure) else None
    if quote is None and sign != " " and kind in _FREE and (call := _WRAPPED.match(text, at)) is not None:
        # `Some("...")`, `crypt('...', ...)`: the call's argument may be a name or a file.
        start = call.end() + 1
        end = _closing(text, start, text[call.end()])
        return (start, end, kind) if is_drawn(text[start:end]) else None
    if name in {"PWD", "OLDPWD"} and text.startswith("/", at):
        return None  # the shell's working directory
    lowered = name.lower()
    if lowered.endswith("authorization") and (scheme := _SCHEME.match(text, at)) is not None:
        pairs = _DIGEST.match(text, at)
        if pairs is not None:
            return at, pairs.end(), kind
        credential = _CREDENTIAL.match(text, scheme.end())
        if credential is not None and all(map(is_placeholder, credential[0].split(":"))):
            return None
        return _to(_TO_LINE_END, text, at, kind)
    if _OF_COOKIES.search(name):
        return _to(_COOKIES, text, at, kind)
    if text.startswith(name, at) and text[at + len(name) : at + len(name) + 1] in {" ", ",", ")"}:
        return None  # an argument: `credentials=credentials or ...`
    if text[at : at + 1] == "<":
        angled = _ANGLED.match(text, at)
        drawn = angled is not None and kind in _FREE and sign != " " and is_drawn(angled[1])
        return (at, angled.end(), kind) if angled is not None and drawn else None
    if kind in _FREE and (template := _TEMPLATE.match(text, at)) is not None and is_drawn(template["inner"]):
        return (*template.span("inner"), kind)
    if kind in _FREE and _NAMES_WORDS.search(lowered) and sign.strip() in {":", "=", "is"}:
        words = _PHRASE.match(text, at)
        if words is not None and _OF_SENTENCE.search(words[0]) is None:
            return at, words.end(), kind
    run = (_RUN_OF_LINE if sign == "=" and _begins_line(text, begin) else _RUN).match(text, at)
    return (
        None
        if run is None
        else _bare(text, run, kind, sign, once=lowered.endswith(("otp", "code")), sure=sure)
    )


# A secret of several words, of which a sentence about it has others.
_NAMES_WORDS: Final = re.compile(r"(?:phrase|mnemonic|seed)\Z")
_PHRASE: Final = re.compile(r"[a-z]{2,12}(?:[ -][a-z]{2,12}){3,23}(?=[ \t]{0,8}(?:\r?\n|\Z|[\"',;]))")
_OF_SENTENCE: Final = re.compile(
    r"\b(?:an|and|are|be|by|for|from|has|if|in|is|it|must|my|no|not|of|on|or|our|required|set|that|the|this|to|used|"
    r"which|with|you|your)\b"
)


def _begins_line(text: str, begin: int) -> bool:
    """Return whether a name is the first on its line, not counting what a shell or a diff puts there."""
    line = text.rfind("\n", max(0, begin - 24), begin)
    return (line >= 0 or begin <= 24) and _LINE_HEAD.fullmatch(text, line + 1, begin) is not None


def _bare(
    text: str, run: "re.Match[str]", kind: str, sign: str, *, once: bool, sure: bool
) -> tuple[int, int, str] | None:
    """Judge a value without quotes, which ends at a blank or where something else begins."""
    at, whole = run.start(), run[0]
    if run.re is _RUN_OF_LINE and (outside := _END_OF_RUN.search(whole)) is not None:
        whole = whole[: outside.start()]
        if not whole:
            return None
    first = _HEAD_END.search(whole)
    head = whole if first is None else whole[: first.start()]
    value = head
    to_line_end = sign.strip() in {":", "="} and text[run.end() : run.end() + 1] in {"", "\n", "\r"}
    if first is not None and (to_line_end or sign in {"=", ":", ": "}) and kind in _FREE:
        stop = _END.search(whole)
        longer = whole if stop is None else whole[: stop.start()]
        if len(longer) > len(head) and not (_code(longer, head) or _code(whole.rstrip(",;"), head)):
            value = longer
    value = value.rstrip(".:?") if sign != "=" else value.rstrip(".")
    if not value:
        return None
    end = at + len(value)
    if not _looks(value, kind, sign, text[end : end + 1], text, end, once=once, sure=sure):
        return None
    return at, end, kind


_FREE: Final = frozenset({markers.PASSWORD, markers.API_KEY, markers.TOKEN, markers.FIELD})
"""Kinds whose values people choose, with any characters."""


def _code(value: str, head: str) -> bool:
    """Return whether a value with brackets or separators is an expression: a call, a tuple, a template."""
    if is_placeholder(value) or value[0] in "({[<$%":
        return value[0] in "$%" or is_placeholder(value) or not is_drawn(value.strip("([{<>}])"))
    if _CALL.fullmatch(value):
        return not (_MIXED.match(value) and not value.endswith((")", "]", "}", "(", "[", "{")))
    # Words of a program between separators: `a,b`, `x|y`.
    return _IDENTIFIER.fullmatch(head) is not None and _ANY_DIGIT.search(value) is None


def _to(pattern: re.Pattern[str], text: str, at: int, kind: str) -> tuple[int, int, str] | None:
    match = pattern.match(text, at)
    if match is None or not match[0].strip() or MARKER.fullmatch(match[0].strip()):
        return None
    return at, at + len(match[0].rstrip()), kind


def _closing(text: str, start: int, quote: str) -> int:
    """Return where a quoted value ends; if the quote is not closed, the end of the line."""
    if len(quote) > 1:
        end = text.find(quote, start)
        if end >= 0:
            return end
        line = text.find("\n", start)
        return len(text) if line < 0 else line
    if quote == "`":
        end = text.find(quote, start)
        return end if end >= 0 else start
    inside = _IN_DOUBLE if quote == '"' else _IN_SINGLE
    match = inside.match(text, start)
    end = match.end() if match is not None else start
    while end > start and (joined := _JOINED.match(text, end)) is not None and joined[0][0] == quote:
        match = inside.match(text, joined.end())
        end = match.end() if match is not None else joined.end()
    return end


def _meant(value: str, kind: str, *, data: bool) -> bool:
    """Return whether a value in quotes is a secret."""
    plain = value[:4096].strip()
    if not plain or MARKER.fullmatch(plain) or plain.lower() in NO_VALUE or is_placeholder(plain):
        return False
    if _RULES.fullmatch(plain):
        return False
    if not data and (plain[0] in "),]" or value[0] == " " or len(plain) < _SHORTEST):
        return False  # the quote closes a text that ends with the name, as in `getpass("Password: ")`
    if not data and _TWO_WORDS.fullmatch(plain) and kind_of(plain) is not None:
        return False  # the name of another field: `token or "refresh_token"`
    if data or kind in {markers.PASSWORD, markers.SSN, markers.CREDIT_CARD}:
        return True
    if _PATH.fullmatch(plain) or " " in plain:
        return False
    return len(plain) >= 8 and (not _IDENTIFIER.fullmatch(plain) or entropy(plain) > 3.9)


def _looks(
    value: str, kind: str, sign: str, following: str, text: str, end: int, *, once: bool, sure: bool
) -> bool:
    """Return whether a value without quotes looks like a secret, not like a word of a sentence or of a program."""
    if (
        len(value) < 4
        or value.lower() in NO_VALUE
        or is_placeholder(value)
        or _PATH.fullmatch(value)
        or following in {"(", "[", "{"}
    ):
        return False
    if sign == " ":
        if kind == markers.SSN:
            return value.isdigit() and is_ssn(value)
        if kind == markers.PASSWORD and _MIXED.match(value):
            return True
        return len(value) >= 16 and is_random(value)
    if sign != "=" and not sure and _TYPE_NAME.fullmatch(value) and not is_drawn(value):
        return False  # `private_key: ed25519.Ed25519PrivateKey`
    word = _IDENTIFIER.fullmatch(value)
    digit = _ANY_DIGIT.search(value) is not None
    if sign == "is":
        return len(value) >= 6 and digit and not word
    if kind in {markers.SSN, markers.CREDIT_CARD}:
        return digit
    if sure and (digit or len(value) >= 6) and following not in {",", ")", "."}:
        return value[0] not in "$<%{" or (value[0] == "{" and is_drawn(value.strip("{}")))
    if kind in {markers.PASSWORD, markers.FIELD}:
        if word is None:
            return True
        if sign.strip() != sign or not sign:
            # `password: changeme`, alone on its line
            return (
                len(value) >= 6
                and "." not in value
                and text[end : end + 1] in {"", "\n", "\r"}
                and ":" in sign
            )
        return following not in {",", ")", "."} and "." not in value and not value.endswith(":")
    if value.isdigit():
        return len(value) >= 6 and (sign == "=" or (once and len(value) <= 8))
    if word is not None:
        if sign == "=" and value.isalpha() and value.islower() and len(value) >= 12:
            return following not in {",", ")", "."}
        return len(value) >= 20 and entropy(value) > 3.9 and "." not in value
    return len(value) >= 8 and digit


_ANY_NAMES: Final = NamedSecrets()
