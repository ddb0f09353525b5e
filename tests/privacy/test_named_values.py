"""A value behind a name is judged by name and value: a generator that knows the truth, in every way of writing it."""

# ruff: noqa: E501 - tables of texts

import html
import string
from urllib.parse import quote

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ael_otel.privacy.redactor import Redactor

REDACTOR = Redactor()
QUIET = settings(max_examples=200, deadline=None, suppress_health_check=list(HealthCheck))

NAMES = st.sampled_from(
    ["password", "DB_PASSWORD", "db-password", "api_key", "apiKey", "X-Api-Key", "client_secret", "ACCESS_TOKEN", "NPM_AUTH_TOKEN", "user.passphrase"]
)  # fmt: skip
SENTENCES = st.sampled_from(
    ["", "please use ", "the server has ", "it is ", "build requires ", "show ", "enable ", "no ", "we need\n", "and then, ", "x=1 ", "(see) ", "# ", "- "]
)  # fmt: skip
INSIDE = st.text(string.ascii_letters + string.digits, min_size=4, max_size=10)
MIXED = st.builds(
    "{}{}{}7kQ".format, INSIDE, st.sampled_from(["", "", "&", ",", "(", "{", "+", "%", "!", "*"]), INSIDE
)


def bare(name: str, value: str) -> str:
    """An assignment without quotes."""
    return f"{name}={value}"


FORMS = {
    "=": bare,
    ": ": lambda name, value: f"{name}: {value}",
    "quotes": lambda name, value: f'{name} = "{value}"',
    "one quote": lambda name, value: f"{name}: '{value}'",
    "JSON": lambda name, value: f'{{"{name}": "{value}"',
    "escaped JSON": lambda name, value: f'{{\\"{name}\\": \\"{value}\\"',
    "triple quotes": lambda name, value: f'{name} = """{value}"""',
    "verbatim": lambda name, value: f'{name} = @"{value}"',
    "make": lambda name, value: f'{name} ?= "{value}"',
    "BNF": lambda name, value: f'{name} ::= "{value}"',
    "comparison": lambda name, value: f'if {name} == "{value}":',
    "reversed": lambda name, value: f'if ("{value}" == {name})',
    "default": lambda name, value: f'getenv("{name}", "{value}")',
    "define": lambda name, value: f"define( '{name}', '{value}' );",
    "Kubernetes": lambda name, value: f"- name: {name}\n  value: {value}\n",
    "block": lambda name, value: f"{name}: |\n  {value}\nother: x\n",
    "folded": lambda name, value: f"  {name}: >-\n    {value}\n",
    "here-document": lambda name, value: f"{name}=$(cat <<EOF\n{value}\nEOF\n)",
    "object in prose": lambda name, value: f'the env {{"name":"{name}","value":"{value}"}} is set',
    "object with a field between": lambda name, value: f'env [{{"key": "{name}", "type": "text", "value": "{value}"}}]',
    "object, value first": lambda name, value: f'env {{"value":"{value}","name":"{name}"}} is set',
    "object, escaped": lambda name, value: f'x {{\\"name\\":\\"{name}\\",\\"value\\":\\"{value}\\"}} y',
    "representation": lambda name, value: f"EnvVar(name='{name}', value='{value}')",
    "tag": lambda name, value: f"<{name}>{html.escape(value)}</{name}>",
    "CSV": lambda name, value: f'user,{name}\nada,"{value}"\n',
    "SQL": lambda name, value: f"INSERT INTO users (name, {name}) VALUES ('ada', '{value}')",  # noqa: S608 - a text
}  # fmt: skip


@pytest.mark.parametrize("form", FORMS)
@QUIET
@given(before=SENTENCES, name=NAMES, value=MIXED, after=st.sampled_from(["", "\n", " and so on"]))
def test_no_part_of_a_named_value_survives(form, before, name, value, after):
    """For any text before the name, and any characters of the value."""
    if form in {"CSV", "Kubernetes", "block", "folded"}:
        before, after = "", "\n" if after else ""
    text = f"{before}{FORMS[form](name, value)}{after}"
    clean = REDACTOR.text(text)
    around = text.replace(value, " ") + "[PASSWORD][API_KEY][TOKEN]"
    for part in {value[:5], value[-5:]}:
        assert part in around or part not in clean, (text, clean)
    assert REDACTOR.text(clean) == clean


@pytest.mark.parametrize("sign", [" \u2014 ", " \u2013 ", " - ", " -- ", " \u2192 ", " =: ", " => ", " -> "])
@QUIET
@given(before=SENTENCES, name=NAMES, value=st.builds("{}7kQ{}".format, INSIDE, INSIDE))
def test_dashes_and_arrows_stand_between_name_and_value(sign, before, name, value):
    """As prose has them; a word behind a dash is one of the sentence."""
    assert value not in REDACTOR.text(f"{before}{name}{sign}{value}")
    sentence = f"{before}{name}{sign}required for the login"
    assert REDACTOR.text(sentence) == sentence


@pytest.mark.parametrize(
    "sign",
    [
        ": \u2014 ",
        ": - ",
        " = -- ",
        ": -> ",
        " \u2014: ",
        " &mdash; ",
        "&ndash;",
        " &#8212; ",
        " &rarr; ",
        r" \u2014 ",
        "&nbsp;: ",
    ],
)
@QUIET
@given(before=SENTENCES, name=NAMES, value=st.builds("{}7kQ{}".format, INSIDE, INSIDE))
def test_a_dash_beside_another_sign_or_as_an_entity_is_a_separator(sign, before, name, value):
    """In HTML, in escaped JSON, and behind a colon."""
    assert value not in REDACTOR.text(f"{before}{name}{sign}{value}")


@pytest.mark.parametrize("sign", [" \u2014 ", " \u2013 ", " - ", " \u2192 ", " -> ", " &mdash; "])
@pytest.mark.parametrize("name", ["API key", "**API key**", "`secret key`", "the access key"])
@QUIET
@given(value=st.builds("{}7kQ4{}".format, INSIDE, INSIDE))
def test_dash_behind_a_name_of_two_words_is_a_separator(name, sign, value):
    """A word of the sentence behind it stays."""
    assert value not in REDACTOR.text(f"my {name}{sign}{value} is new")
    sentence = f"my {name}{sign}required for the login"
    assert REDACTOR.text(sentence) == sentence


@pytest.mark.parametrize(
    "text",
    [
        "env:\n    - value: {value}\n      name: {name}\n", "- value: {value}\n  name: {name}\n- value: other\n  name: LEVEL\n",
        "- name: LEVEL\n  value: other\n- value: {value}\n  name: {name}", "value: '{value}'\nname: '{name}'",
        "- value: {value}\n  type: text\n  name: {name}", "x {{value: {value}, name: {name}}} y",
    ],
)  # fmt: skip
@QUIET
@given(name=NAMES, value=st.builds("{}7kQ{}".format, INSIDE, INSIDE))
def test_a_value_in_front_of_its_name_is_redacted(text, name, value):
    """The fields of one item, in either order; those of its neighbours stay."""
    clean = REDACTOR.text(text.format(name=name, value=value))
    assert value not in clean
    assert ("other" in text) is ("other" in clean)


@pytest.mark.parametrize(
    "text",
    [
        r"{header}\nada,{value}\n", r"{header}\nada,{value}", r"{header}\r\nada,{value}\r\nbob,x\r\n", r"the file: {header}\nada,{value}\n end",
        r"the result was '{header}\nada,{value}' here", r'Text(text="{header}\nada,{value}", x=1)', r'log "{{\"a\": \"{header}\\nada,{value}\\n\"}}"',
        r'x "\"user\",\"password\"\n\"ada\",\"{value}\"\n" y',
    ],
)  # fmt: skip
@QUIET
@given(value=st.builds("{}7kQ{}".format, INSIDE, INSIDE))
def test_rows_of_a_table_with_escaped_line_ends_are_judged(text, value):
    """As JSON, Python and logs quote a file; the rest of the text stays."""
    stated = text.format(header="user,password", value=value)
    assert REDACTOR.text(stated) == stated.replace(value, "[PASSWORD]")


@QUIET
@given(
    value=st.builds("{}7kQ{}".format, INSIDE, INSIDE),
    before=st.sampled_from(["Here is the file: ", "a log line: ", ""]),
)
def test_rows_below_a_heading_in_prose_are_judged(value, before):
    """The heading may follow a sentence; several of its columns can be secret."""
    clean = REDACTOR.text(f"{before}user,password,api_key\nada,{value},4f7Gh2Kq9ZtB5xW8\nthat is all")
    assert value not in clean
    assert "4f7Gh2Kq9ZtB5xW8" not in clean
    assert "that is all" in clean


@QUIET
@given(before=SENTENCES, name=NAMES, value=st.builds("{}7kQ{}".format, INSIDE, INSIDE))
def test_no_encoded_form_survives(before, name, value):
    """Percent-encoded, twice, and with HTML entities."""
    stated = f"{name}={value}"
    for text in (
        f"{before}GET /x?h={quote(stated, safe='')}",
        f"{before}GET /x?h={quote(quote(stated, safe=''), safe='')}",
        f"{before}{name}&#61;{value}",
        f"{before}{name}&#x3D;&quot;{value}&quot;",
    ):
        assert value not in REDACTOR.text(text), text


@QUIET
@given(name=NAMES.filter(str.isidentifier), value=st.builds("{}7kQ{}".format, INSIDE, INSIDE))
def test_typed_constant_in_backticks_is_redacted(name, value):
    """As TypeScript has it; a template of variables alone stays."""
    assert value not in REDACTOR.text(f"export const {name}: string = `{value}`;")
    template = f"export const {name}: string = `${{base}}`;"
    assert REDACTOR.text(template) == template


@pytest.mark.parametrize("size", [300, 70_000, 200_000])
def test_a_long_value_leaves_no_tail(size):
    """Behind a name, in a header, a cookie, quotes, and in an address."""
    value = ("4f7Gh2Kq9ZtB5xW8nRj3Vc6Ym1Ds0Lp" * (size // 31 + 1))[:size]
    tail = value[-20:]
    for text in (
        f"password={value}", f'api_key = "{value}" x', f"Cookie: sid={value}", f"Authorization: Bearer {value}", f"token='''{value}'''",
        f"postgres://ada:{value}@db.example.org/x",
    ):  # fmt: skip
        assert tail not in REDACTOR.text(text), text[:40]


@pytest.mark.parametrize(
    "command",
    [
        "curl -u ada:{} https://example.org", "curl --user 'ada:{}' https://example.org", "curl -b 'session={}' https://example.org",
        "mysql -u root -p{} app", "docker login -u ada -p {} registry.example.org", "redis-cli -h cache -a {} ping", "sshpass -p {} ssh ada@host",
        "cd /x && mongosh -u ada -p {} db", "ldapsearch -D cn=x -w {} ou=y", "htpasswd -b file ada {}", "openssl rsa -passin pass:{}",
        "curl https://x \\\n  -u ada:{}", "ls | redis-cli -a {}",
    ],
)  # fmt: skip
def test_secrets_in_arguments_of_common_commands_are_redacted(command):
    """In a line, over several lines, behind another command; a placeholder or an option stays."""
    assert "gr33nT3aPot" not in REDACTOR.text(command.format("gr33nT3aPot"))
    for hole in ("$PASSWORD", "${PW}", "<password>"):
        assert hole in REDACTOR.text(command.format(hole))


@pytest.mark.parametrize(
    "text",
    ["docker run -p 8080:80 image", "cp -p a b", "ssh -p 2222 host", "mkdir -p /a/b", "git commit -a -m x", "mysql -p app", "tar -b 20 x", "curl -u ada https://x"],
)  # fmt: skip
def test_options_of_other_commands_stay(text):
    """Ports, folders, and an option that asks for the password."""
    assert REDACTOR.text(text) == text


def test_command_in_a_list_is_read_as_a_command():
    """The value stands behind its option."""
    assert REDACTOR.value(["curl", "-u", "ada:gr33nT3a", "x"]) == ["curl", "-u", "[PASSWORD]", "x"]
    harmless = ["ssh", "-p", "2222", "host"]
    assert REDACTOR.value(harmless) is harmless


@pytest.mark.parametrize(
    "text", ["password=({}", "password=({})", "DB_PASSWORD=[{}", "api_key: ({})", "passwd=(({};"]
)
def test_random_value_in_brackets_is_redacted(text):
    """A password may begin with a bracket: a value that looks random does not count as an expression."""
    assert "vQ7mZ2kXw9RtB4" not in REDACTOR.text(text.format("vQ7mZ2kXw9RtB4"))


@pytest.mark.parametrize(
    "text",
    ["password=(getUtf8Password or None)", "token=(args.token2 or x)", "key = [KEY_1, KEY_2]", "password=(str)", "password=(sha256(x))"],
)  # fmt: skip
def test_expression_in_brackets_stays(text):
    """Names and calls of a program in brackets are not values."""
    assert REDACTOR.text(text) == text
