"""Inputs that a hostile reviewer found readable: each stays redacted, and its harmless twin stays as it is."""

# ruff: noqa: E501 - tables of texts

from random import Random
from typing import Any

import pytest

from tests.privacy.made_up import fill, text_of
from tests.privacy.measure import default_redactor

# Fields in braces are secrets; see `made_up`.
LEAKS = {
    "token behind an escaped line end": r"first line\nghp_{w:36}\tsecond",
    "token behind an escaped tab": r"a\tghp_{w:36}",
    "token in quoted-printable": "key=3Dghp_{w:36}",
    "token behind a colour": "\x1b[32mghp_{w:36}\x1b[0m",
    "colours around the sign": "password\x1b[0m=\x1b[31m{w:18}\x1b[0m",
    "Python, annotated": "API_KEY: str = '{w:24}'",
    "Python, annotated with a subscript": 'api_key: Optional[str] = "{w:24}"',
    "header whose pairs look like a type": 'Authorization: Digest username="ada", response="{x:32}"',
    "OAuth header": 'Authorization: OAuth realm="x", oauth_token="{w:24}", oauth_signature="{w:24}"',
    "Splunk header": "Authorization: Splunk {w:18}",
    "Swift, annotated": 'let password: String = "{w:18}";',
    "TypeScript, annotated": "const apiKey: string = '{w:24}'",
    "JavaScript, default": "const key = process.env.API_KEY || '{w:24}'",
    "JavaScript, nullish default": "config.apiKey ?? '{w:24}'",
    "PHP, default": "getenv('API_KEY') ?: '{w:24}'",
    "Ruby, default": "ENV.fetch('API_KEY', '{w:24}')",
    "Perl, hash": "$h{password} = '{w:18}';",
    "Base64 before the quote of JSON": 'a {"text": "password: {w:23}="}',
    "Base64 with two signs before a quote": 'a {"text": "password: {w:22}=="}',
    "type of its own without blanks": 'password:MyType="{w:18}"',
    "lines of a diff": "+env:\n+  - name: DB_PASSWORD\n+    value: {w:18}\n",
    "lines taken out by a diff": "-  - name: DB_PASSWORD\n-    value: {w:18}\n",
    "lines of a reply": "> - name: DB_PASSWORD\n>   value: {w:18}\n",
    "lines of a comment": "# - name: DB_PASSWORD\n#   value: {w:18}\n",
    "escaped line ends": r"f.json: - name: DB_PASSWORD\n    value: {w:18}\n---",
    "command behind an escaped line end": r"---\ncurl -u admin:{w:18} https://api.example.org/",
    "R, assignment": 'password <- "{w:18}"',
    "login of SQL": "CREATE USER ada IDENTIFIED BY '{w:14}'; GRANT ALL ON x TO y IDENTIFIED BY PASSWORD '{w:16}'",
    "literal of SQL": "CREATE LOGIN ada WITH PASSWORD = N'{w:14}';",
    "address of Go's driver": "ada:{w:14}@tcp(db.example.org:3306)/x",
    "address of Oracle's driver": "jdbc:oracle:thin:ada/{w:14}@//db:1521/x",
    "sign far from its name": 'password             = "{w:14}"\napi_key              = "{w:24}"\n',
    "JSON in CSV": '1,"{""user"":""ada"",""password"": ""{w:14}""}"\n',
    "character data of XML": "<password><![CDATA[{w:14}]]></password>",
    "attribute between": '<input name="authenticity_token" type="hidden" value="{w:32}">',
    "content of an element": '<meta name="csrf-token" content="{w:32}">',
    "part of a form": 'Content-Disposition: form-data; name="password"\r\n\r\n{w:14}\r\n--x',
    "default of a call": "os.getenv('DB_PASSWORD', default='{w:14}')",
    "default of an option": "parser.add_argument('--password', default='{w:14}')",
    "Go, typed": 'var token string = "{w:24}"',
    "Rust, typed": """let api_key: &str = "{w:24}";\nconst API_KEY: &'static str = "{w:24}";""",
    "C#, property": 'public string Password { get; set; } = "{w:14}";',
    "C, defined": '#define API_KEY "{w:24}"',
    "fish and Windows": 'set -gx API_KEY "{w:24}"\nsetx API_KEY "{w:24}"',
    "Redis, configuration": "requirepass {w:14}\nmasterauth {w:14}\n",
    "LDIF in Base64": "userPassword:: {b:24}\n",
    "sentence": "Your API key is {w:24}. Keep it safe",
    "round brackets": "password=({w:16})",
    "square brackets": "DB_PASSWORD=[{w:16}]",
    "braces": "api_key={{w:16}",
    "angle brackets": "password: <{w:16}>",
    "bracket that nothing closes": "password=<{w:16}",
    "bracket and a quote": 'password=({w:8}"{w:8}',
    "quote inside on a line of its own": 'a=1\nDB_PASSWORD={w:8}"{w:8}\nb=2',
    "angle bracket inside on a line of its own": "export DB_PASSWORD={w:8}<{w:8}",
    "quote doubled in SQL": "ALTER USER ada PASSWORD '{w:8}''{w:8}';",
    "quote doubled in CSV": 'user,password\nada,"{w:8}""{w:8}"\n',
    "quote of a shell behind a backslash": r"export DB_PASSWORD='{w:8}'\''{w:8}'",
    "quote of a shell in quotes": """export DB_PASSWORD='{w:8}'"'"'{w:8}'""",
    "list of Python": "run(['mysql', '-u', 'root', '-p', '{w:14}'])",
    "list of Python, long option": "Popen(['tool', '--password', '{w:14}'])",
    "list of JSON": 'cmd: ["redis-cli", "-a", "{w:14}", "ping"] done',
    "list of JSON, one argument": 'test: ["CMD", "mysqladmin", "-u", "root", "-p{w:14}"] ok',
    "list of YAML": "args:\n  - --db-password\n  - {w:14}\n",
    "list with an address": "Popen(['curl', '-u', 'ada:{w:14}', 'x'])",
    "table of Markdown": "| user | password |\n|---|---|\n| ada | {w:14} |\n| bob | {w:14} |\n",
    "table of Markdown, aligned": "| Password         | User |\n| :--- | ---: |\n| `{w:14}` | ada |\n",
    "table of psql": " id | password | user \n----+----------+------\n  1 | {w:14} | ada\n  2 | {w:14} | bob\n(2 rows)\n",
    "table of psql, last column": " user | api_key \n------+---------\n ada  | {w:24}\n",
    "table of mysql": "+------+----------+\n| user | password |\n+------+----------+\n| ada  | {w:14} |\n+------+----------+\n",
    "table of bars": "\u2502 user \u2502 password \u2502\n\u251c\u2500\u2500\u253c\u2500\u2500\u2524\n\u2502 ada \u2502 {w:14} \u2502\n",
    "columns apart by blanks": "USER   PASSWORD         ROLE\nada    {w:14}   admin\n",
    "cookie, session": "set session={w:32}; theme=dark",
    "cookie, sid": "https://x.example.org/a?sid={w:24}&b=1",
    "cookie of Express": "connect.sid=s%3A{w:32}.{w:43}",
    "cookie of Rails": "_shop_session={b:48}",
    "cookie of Django": "sessionid={n:32}; csrf=1",
    "file of cookies": "example.org\tFALSE\t/\tTRUE\t1798761600\tsid\t{w:32}\n",
    "variable of a cookie's key": "COOKIE_SECRET={w:24}\ncookie_password: {w:18}\n",
    "dump of PostgreSQL": "COPY public.users (id, name, password) FROM stdin;\n1\tada\t{w:14}\n2\tbob\t{w:14}\n\\.\n",
    "dump of PostgreSQL, first column": "COPY users (password, id) FROM stdin WITH (FORMAT text);\n{w:14}\t1\n{w:14}\t2\n\\.\n",
    "cell of several lines in CSV": 'id,password,note\n1,{w:14},"two\nlines"\n2,{w:14},x\n',
    "Go, header set": 'req.Header.Set("X-Api-Key", "{w:24}"); req.Header.Add("X-Auth-Token", "{w:24}")',
    "PowerShell, variable set": "[Environment]::SetEnvironmentVariable('API_KEY', '{w:24}')",
    "curl, options in one": "curl -su ada:{w:14} https://example.org; curl -fsSLu ada:{w:14} x",
    "pair of bytes in Python": "[(b'x-api-key', b'{w:24}'), (b'accept', b'*/*')]",
    "Rust, option": 'Config { password: Some("{w:14}"), port: 1 }',
    "SQL, encrypted in a call": "UPDATE users SET password = crypt('{w:14}', gen_salt('bf'))",
    "PHP, dumped": 'array(1) {\n  ["password"]=>\n  string(14) "{w:14}"\n}',
    "PHP, serialised": 'a:1:{s:8:"password";s:14:"{w:14}";}',
    "block of YAML behind a tag": "password: !!str |\n  {w:18}\nother: x\n",
    "YAML of a secret in Kubernetes": "apiVersion: v1\nkind: Secret\nmetadata:\n  name: x\ndata:\n  settings: {b:32}\ntype: Opaque\n",
    "Portuguese, French and Spanish": "segredo: {w:18}\njeton={w:24}\nclave_api={w:24}\ncle_api: {w:24}\nchave_api={w:24}\n",
    "key in PEM, named": "private_key_pem={w:32}",
    "login of a client, one variable": "export REDISCLI_AUTH={w:18} DOCKER_AUTH={w:24}",
    "key of a vendor that is not known": "ZORBLAX_KEY={w:24}",
    "key of a vendor that is not known, YAML": "zorblax_key: '{w:32}'",
    "key of a vendor that is not known, hexadecimal": "export ZORBLAX_KEY={x:40}",
}
STRUCTURES = {
    "default in a schema": {"properties": {"password": {"type": "string", "default": "{w:18}"}}},
    "example in a schema": {"properties": {"api_key": {"type": "string", "examples": ["{w:32}"]}}},
    "constant in a schema": {"password": {"minLength": 8, "const": "{w:18}"}},
    "text of a token": {"token": {"text": "{w:32}", "id": 4}},
    "choice in a schema": {"token": {"type": "string", "enum": ["none", "{w:32}"]}},
    "brackets in a field": {"password": "<{w:16}>", "api_key": "{{w:16}"},
    "lines of a manifest": ["env:", "- name: DB_PASSWORD", "  value: {w:14}", "image: x"],
    "parts of a result": {
        "content": [
            {"type": "text", "text": "  - name: DB_PASSWORD"},
            {"type": "image", "data": "iVBORw0KGgo="},
            {"type": "text", "text": "    value: {w:14}"},
        ]
    },
    "name and value in two objects": [{"name": "DB_PASSWORD"}, {"value": "{w:14}"}],
    "name with its sign, then the value": ["x", "DB_PASSWORD=", "{w:14}"],
    "lines of a private key": [
        "-----BEGIN RSA " + "PRIVATE KEY-----",
        "{b:64}",
        "{b:64}",
        "{b:44}",
        "-----END RSA " + "PRIVATE KEY-----",
    ],
    "parts of a private key": [
        {"text": "-----BEGIN RSA " + "PRIVATE KEY-----"},
        {"text": "{b:64}"},
        {"text": "{b:64}"},
    ],
    "lines of CSV": ["user,password", "ada,{w:14}", "bob,{w:14}"],
    "lines of a block": ["password: |", "  {w:14}", "other: x"],
    "lines by number": {"12": "- name: DB_PASSWORD", "13": "  value: {w:14}"},
    "names and values in turn": ["user", "ada", "password", "{w:14}", "age", "7"],
    "table with columns": {"columns": ["user", "password"], "rows": [["ada", "{w:14}"], ["bob", "{w:14}"]]},
    "table with fields": {"fields": [{"name": "user"}, {"name": "password"}], "rows": [["ada", "{w:14}"]]},
    "table with a heading": [["user", "password", "age"], ["ada", "{w:14}", "1"], ["bob", "{w:14}", "2"]],
    "secret of Kubernetes": {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {"name": "x"},
        "data": {"settings": "{b:32}"},
        "stringData": {"a.ini": "{w:20}"},
    },
    "header that authenticates": {"auth_header": "{w:24}", "conn_str": "{w:24}"},
    "option without a word apart": ["redis-server", "--requirepass", "{w:14}"],
    "option in a list": ["mysql", "-u", "root", "-p", "{w:14}"],
    "option and value in one": ["mysqldump", "-u", "root", "-p{w:14}", "app"],
    "option of another program": ["tool", "--user", "root", "-p", "{w:14}"],
    "cookies of a browser": [{"name": "sid", "value": "{w:32}", "domain": "x.example.org", "httpOnly": True}],
    "key of a vendor that is not known, field": {"ZORBLAX_KEY": "{w:24}"},
}
HARMLESS = (
    r"first line\nghost_of_a_chance and then some more words",
    "api_key: Optional[str] = None",
    "const apiKey: string = getKey()",
    "config.apiKey ?? 'none'",
    "ENV.fetch('API_KEY', 'unset')",
    "password <- read.password()",
    {"properties": {"token": {"type": "string", "default": "none", "enum": ["none", "env"]}}},
    "def login(password: str = '', token: str | None = None) -> None:",
    "password=<token>, password={variable}, password=${VAR}, token=$(pass show x), password=[REDACTED]",
    "password=(getUtf8Password or None)",
    "password=<base64Password1>",
    "token={http2Token}",
    ["mysql", "-u", "root", "-p", "app"],
    ["docker", "run", "-p", "8080:80", "image"],
    ["pytest", "-p", "no:cacheprovider", "-u", "x"],
    "run(['cp', '-p', '/a/b1', '/c'])",
    "| name | password |\n|---|---|\n| string | required |\n",
    "| field | api_key |\n|---|---|\n| type | string |\n| size | 32 |\n",
    " table | token \n-------+-------\n a     | word\n",
    "NAME   SECRET   AGE\nfoo    bar      3d\n",
    "sid=S-1-5-21-3623811015-3361044348-30300820-1013",
    "session=7c1e5f2a-9b3d-4e68-a0c4-5d8f1b7e2a90 sid=agent:main:main-thread-number-1",
    "session=2026-11-28T10:00:00.000Z inside=4f7Gh2Kq9ZtB5xW8nRj3",
    "SORT_KEY=name PRIMARY_KEY=id CACHE_KEY=user:42 PARTITION_KEY=2026-11-28",
    "BUILD_KEY=linux-x86_64-py3.13 WIDGET_KEY=7c1e5f2a-9b3d-4e68-a0c4-5d8f1b7e2a90",
    {
        "map_key": "users/2026/11/28.json",
        "widget_key": "item-42-of-99-list",
        "turn_key": "2026-11-28T10:00:00Z",
    },
    '@click.option("--cookies", "cookies", type=str)',
    'parser.add_argument("--password", "-p", dest="password")',
    'return self.domain\n        if key == "domain_i18n2x":\n            pass',
    "12   token   x\n13   Child()8aZ9  y\n",
    "Load and return a dynamic library identified by 'name'; mail ada@tcp (see below)",
    "var token string = getToken()",
    'cookie = new Cookie("session-id1", value); response.setCookie("session-id1", value)',
    'key: typing.Union["rsa.RSAPrivateKey", "rsa.RSAPublicKey"]',
    'map.Set("token", "word"); headers.Add("Content-Type", "application/json1")',
    "COPY public.users (id, password) TO stdout;\n1\tword-of-mouth1\n",
    "cookie_key = cookie\nset cookie: none",
    "password = crypt(value1, gen_salt('bf'))",
    "password: Some(value), token = parse('utf8'), password = os.environ.get('DB_PASSWORD_2')",
    "token = self.get('page1'); secret = load('config2.yaml'); password = getpass('Password1: ')",
    'expect "Password:" send "now"',
    {"kind": "SecretStore", "data": {"settings": "QUJDRGVmZ2hpSktMMTIzNDU2Nzg5"}},
    {"kind": "Secret", "metadata": {"name": "db-login-2", "namespace": "prod1"}, "type": "Opaque"},
    "kind: Secret\nmetadata:\n  name: db-login-2\n  namespace: production\n",
    ["Password:", "Submit"],
    ["Password:", "Forgot your password?", "Log in"],
    ["username", "password", "address1", "line2"],
    [{"text": "the value of a password"}, {"text": "a value: none"}],
    [{"name": "theme", "value": "dark", "httpOnly": False}],
    {"columns": ["name", "type"], "rows": [["password", "varchar(255)"]]},
    [["name", "password_count", "x"], ["a", "12", "b"]],
    [["user", "password", "note"], ["string", "string", "required"]],
)


def _filled(value: Any, seed: int, secrets: list[str]) -> Any:
    if isinstance(value, dict):
        return {key: _filled(each, seed, secrets) for key, each in value.items()}
    if isinstance(value, list):
        return [_filled(each, seed, secrets) for each in value]
    if not isinstance(value, str):
        return value
    sample = fill(value, Random(seed))  # noqa: S311 - made up, and the same in each run
    secrets += sample.secrets
    return sample.text


@pytest.mark.parametrize("name", [*LEAKS, *STRUCTURES])
def test_secret_that_was_found_readable_is_redacted(name: str) -> None:
    """No six characters of the secret are left, whatever they are."""
    for seed in range(5):
        secrets: list[str] = []
        value = _filled({**LEAKS, **STRUCTURES}[name], seed, secrets)
        output = text_of(default_redactor().value(value))
        assert secrets
        assert not [
            secret for secret in secrets for at in range(len(secret) - 5) if secret[at : at + 6] in output
        ], output


@pytest.mark.parametrize("value", HARMLESS, ids=range(len(HARMLESS)))
def test_harmless_twin_of_a_leak_is_left_alone(value: Any) -> None:
    """What only looks like the inputs above is returned unchanged."""
    assert default_redactor().value(value) == value


@pytest.mark.parametrize("name", ["token", "password", "api_key"])
def test_long_value_like_a_refused_one_before_it_is_judged_by_itself(name: str) -> None:
    """Values that share their first 140 characters differ: the refusal of one says nothing of the next."""
    harmless = "x" * 140
    secret = "Q7z9K2mP4" + "vT8wR1yB6nD3"
    text = f"{name}={harmless} {name}={harmless} {name}={harmless}{secret} end"
    assert secret not in default_redactor().text(text)


@pytest.mark.parametrize(
    "text",
    ["secret=none password={}", "token=abc, password='{}'", "api_key: None\npassword: {}"],
)
def test_refused_value_in_a_short_text_hides_no_secret_behind_it(text: str) -> None:
    """Where both stand near the beginning, the text around them is the same: it alone does not tell them apart."""
    secret = "Q7z9K2mP4" + "vT8w!"
    assert secret not in default_redactor().text(text.format(secret))
