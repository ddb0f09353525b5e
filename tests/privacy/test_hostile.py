"""Inputs that a hostile reviewer found readable: each stays redacted, and its harmless twin unchanged."""

# ruff: noqa: E501 - tables of texts

from random import Random
from typing import Any

import pytest

from tests.privacy.made_up import fill, text_of
from tests.privacy.measure import default_redactor

# Fields in braces are secrets; see `made_up`. `{=}` is the first of them again.
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
    "openssl, password of a file": "openssl enc -aes-256-cbc -k {w:14} -in a -out b",
    "openssl, two passwords": "openssl rsa -in a -passin pass:{w:14} -passout 'pass:{w:14}'",
    "openssl, key and pre-shared key": "openssl enc -K {x:32} -iv 0; openssl s_client -psk {x:32}; openssl passwd -6 {w:14}",
    "PowerShell, secure string": """ConvertTo-SecureString '{w:14}' -AsPlainText -Force\nConvertTo-SecureString -AsPlainText -Force -String {w:14}""",
    "PowerShell, piped": '"{w:14}" | ConvertTo-SecureString -AsPlainText -Force',
    "PowerShell and .NET, credentials": """New-Object PSCredential('ada', '{w:14}'); new NetworkCredential("ada", "{w:14}")""",
    "code of an authorization": "https://app.example.org/cb?code={w:10}7&state=x, https://app.example.org/cb?code={w:32}",
    "signatures that expire": "https://x.example.org/f?st={u:22}&e=1798761600 https://x.example.org/f?md5={u:22}&expires=1798761600",
    "signature between tildes": "https://x.example.org/v.m3u8?hdnts=exp=1798761600~acl=/*~hmac={x:64}",
    "keys in queries": "https://api.example.org/w?q=Berlin&appid={x:32} https://api.example.org/w?key={w:32}&a=b https://x.example.org/?auth={w:32}",
    "ticket of a single sign-on": "https://x.example.org/a?ticket=ST-1856339-{w:20}",
    "communities of SNMP": "snmpwalk -v2c -c {w:10} 10.0.0.1\nsnmp-server community {w:10} RO\nrocommunity {w:10} 10.0.0.0/8\ncom2sec readonly default {w:10}\nsnmp_community = {w:10}",
    "passwords of SNMP": "snmpget -v 3 -u ada -l authPriv -a SHA -A {w:14} -x AES -X {w:14} 10.0.0.1",
    "PHP, login of a database": "new PDO('mysql:host=localhost;dbname=app', 'ada', '{w:14}'); new mysqli(\"db\", \"ada\", \"{w:14}\", \"app\"); mysqli_connect($h, $u, '{w:14}')",
    "Java and Python, login of a database": """DriverManager.getConnection(url, "ada", "{w:14}"); MySQLdb.connect("db", "ada", "{w:14}"); oracledb.connect('ada', '{w:14}', dsn)""",
    "logins of HTTP": """HTTPBasicAuth('ada', '{w:14}'); get(url, auth=('ada', '{w:14}')); req.SetBasicAuth("ada", "{w:14}"); .basic_auth("ada", Some("{w:14}")); Credentials.basic("ada", "{w:14}")""",
    "logins of mail, files and directories": """smtp.login('ada', '{w:14}'); ssh.connect('host', 22, 'ada', '{w:14}'); ldap_bind($c, 'cn=ada', '{w:14}'); c.simple_bind_s("cn=ada", "{w:14}")""",
    "login in escaped quotes": r"{\"code\": \"new PDO(\\\"mysql:\\\", \\\"ada\\\", \\\"{w:14}\\\")",
    "list of YAML, option and value in one": "args:\n  - mysql\n  - -uroot\n  - -p{w:14}\n  - app\n",
    "list of YAML, option and value apart": "command:\n- docker\n- login\n- -u\n- ada\n- -p\n- {w:14}\n",
    "printed into a login": "echo {w:14} | docker login -u ada --password-stdin; printf '%s' '{w:14}' | helm registry login x --password-stdin",
    "printed into other commands": "echo -n \"{w:14}\" | gh auth login --with-token\necho {w:14} | sudo -S apt update\necho 'ada:{w:14}' | sudo chpasswd\n",
    "here-strings and here-documents": 'docker login -u ada --password-stdin <<< "{w:14}"\nchpasswd <<EOF\nada:{w:14}\nbob:{w:14}\nEOF\n',
    "words of a command": "net user ada {w:14} /add\nvault login hvx{w:24}\nsqlplus -s ada/{w:14}@//db:1521/x\nwpa_passphrase home {w:14}\n",
    "secrets set by a command": "gh secret set TOKEN --body {w:14}\nkubectl create secret generic x --from-literal=db={w:14}\nfly secrets set LOGIN_X={w:14}\n",
    "dialogue of expect": 'expect "assword:"\nsend "{w:14}\\r"\nexpect "*?assword*" { send -- "{w:14}\\r" }\n',
    "German, Danish, Slovene": "geheim={w:14}\nzugangscode: {w:14}\nkodeord={w:14}\ngeslo: {w:14}\n",
    "Korean, Greek, Hebrew, Arabic": "비번: {w:14}\n암호={w:14}\nΚωδικός: {w:14}\nסיסמה: {w:14}\nكلمة السر: {w:14}\n",
    "Vietnamese, Chinese, Russian": "mật khẩu: {w:14}\n授权码：{w:14}\nAPI-ключ: {w:14}\nпарола={w:14}\n",
    "identifier of an application role": "secret_id={~x:8}-{x:4}-4{x:3}-a{x:3}-{x:12} secretId: {w:32}",
    "salts and peppers": "PEPPER={w:32}\nPASSWORD_PEPPER={w:32}\nHASHIDS_SALT={w:32}\nAUTH_SALT={w:32}\nJWT_SEED={w:32}\n",
    "constants of WordPress": "define('NONCE_SALT', '{w:10} *K#{w:12} d8'); define('LOGGED_IN_KEY', '{w:10};{w:10}');",
    "value that stands again without its name": "token = '{w:24}'; now {=} is used, and again ({=})",
    "key alone, in a log": "[DEBUG] Using Key={w:24}\nYour shop key is {x:32}, which\n",
    "words between a name and its value": "password for ada: {w:14}\nThe password for user ada is {w:13}7\nUnseal Key 2: {b:44}\nPassword 1: {w:14}\n",
    "dash, or, three colons, a dot": """secret - '{w:24}'; x = os.environ.get("PASSWORD") or "{w:14}"; TOKEN :::= "{w:24}"; $apiToken .= "{w:24}";""",
    "constant of C": 'curl_easy_setopt(curl, CURLOPT_PASSWORD, "{w:18}"); setopt(c, CURLOPT_USERPWD, "ada:{w:14}");',
    "field of a build": """buildConfigField 'String', 'API_KEY', '"{w:32}"'""",
    "record of names and values": "user,ada\nAPI_TOKEN,{w:32}\nSHOP_SECRET,{w:32},x\n",
    "element of several lines": "<apiToken>\n    {w:24}\n</apiToken>",
    "sentence that begins with the value": "//{w:24} is the password\n{w:24} is your api key\n",
    "names that are spelt otherwise": "PSWD:={w:14}\nPASWORD={w:14}\nMYSQLPASS: {w:14}\npassword_confirmation = '{w:14}'\n",
    "sign at the end of a password": "connect -User ada -Password {w:12}!\npassword: {w:12}!",
    "login of SQL without quotes": "CREATE USER x IDENTIFIED BY {w:13}7;\nALTER USER 'r'@'h' IDENTIFIED WITH mysql_native_password BY '{w:14}';",
    "options of other clients": "psexec \\\\10.0.0.1 -u ada -p {w:14} cmd\nplink ada@h -pw {w:14} ls\nmvn -Dsonar.login={x:40}\nkeytool -storepass {w:14}\n",
    "secret of a build server": "<password>{AQAAABAAAAAw{b:44}==}</password>",
    "password that a server prints at its first start": "password to proceed to installation:\n\n{x:32}\n\nThis may",
    "webhooks of other services": "https://outlook.office.com/webhook/{x:8}-1/IncomingWebhook/{x:32}/y https://a.tines.com/webhook/{n:32}/{n:64}",
    "login of a directory": 'new DirectoryEntry("LDAP://x", "ada", "{w:14}")',
    "hashes of passwords, others": "$krb5asrep$23${x:32}${x:120} $8${h:14}${h:43}",
    "user and password before a host without a scheme": "psexec.py corp/ada:{w:13}7@target cmd\nproxy ada:{w:13}7@10.0.0.1:3128\n",
    "option of a program that is not known": "gnmic -a h:1 -u ada -p {w:13}7 get\ntwine upload -u ada -p{w:13}7 dist/*\ntool --username ada -v -P {w:13}7\n",
    "options of Windows": "xfreerdp /u:ada /p:{w:13}7 /v:10.0.0.1\ntasklist /s host /u ada /p {w:13}7\n",
    "archives and documents": "rar a -hp{w:14} a.rar x; 7zr a -p{w:14} x; pdfinfo -opw {w:14} a.pdf; htpasswd -nbm ada {w:14}",
    "accounts of brokers, shares and routers": "rabbitmqctl add_user ada {w:14}\nsmbcacls //s/s f --user dom\\\\ada%{w:14}\nusername ada privilege 15 secret {w:13}7\n",
    "printed again and again": "yes {w:14} | passwd",
    "codes that are sent to a telephone": "Your one-time code is {~d:2}{d:6}. Your verification code: {~d:2}{d:6}\n{d:8} is your login code\n",
    "lines of protocols": "A001 LOGIN ada {w:13}7\nNICKSERV IDENTIFY {w:13}7\nACL SETUSER ada on >{w:13}7\n",
    "pair of credentials": 'creds = ("ada", "{w:13}7"); credentials=("ada", "{w:13}7")',
    "address without a host": "postgresql+psycopg://ada:{w:14}@/db?host=/tmp",
    "password of an account in SQL": "SET PASSWORD FOR 'ada'@'h' = '{w:13}7';",
    "token of OpenShift": "oc login --token sha256~{u:43}",
    "kubectl, manifest with a quoted kind": 'apiVersion: v1\ndata:\n  settings: {b:32}\nkind: "Secret" # of the shop\n',
    "kubectl, request in a log": 'I0301 request.go:1] Request Body: {"data":{"a.txt":"{b:32}","b":"{b:32}"},"kind":"Secret"}\n',
    "kubectl, request in JSON in a log": 'msg="{\\"kind\\":\\"Secret\\",\\"stringData\\":{\\"a\\":\\"{w:18}\\"}}"\n',
    "output of Terraform, lists": 'api_keys = tolist([\n  "{w:24}",\n  "{w:24}",\n])\nother_passwords = toset([\n  "{w:14}",\n  "{w:14}",\n])\n',
    "output of Terraform as JSON, cut off": '{"db_password": {\n    "sensitive": true,\n    "type": "string",\n    "value": "{w:14}"\n',
    "lists in brackets of other languages": 'Passwords: []string{"{w:14}", "{w:14}"}, API_KEYS = frozenset({"{w:24}", "{w:24}"})\n',
    "Docker and Yarn, tokens": '"identitytoken": "{w:24}", npm_config__auth: "{w:24}", npmAuthIdent: "ada:{w:18}"\n',
    "table of names and values": "\u2502 DB_PASSWORD \u2502 {w:14} \u2502\n\u2502 API_KEY     \u2502 {w:24} \u2502\n| SMTP_PASSWORD      | {w:14} |\n\u2503 API_TOKEN\u2503{w:24}\u2503\n",
    "plan of Terraform": '  ~ master_password = "{w:14}" -> "{w:14}"\n  ~ api_key = null -> "{w:24}"\n  ~ token = (sensitive value) -> "{w:24}"\n',
    "default of Terraform": 'variable "db_password" {\n  type      = string\n  sensitive = true\n  default   = "{w:14}"\n}\n',
    "prompt with the value of before": "AWS Secret Access Key [None]: {w:40}\nPassword (again): {w:13}7\n",
    "password of an account that a program reset": "Password for the [elastic] user (reset with `bin/elasticsearch-reset-password -u elastic`):\n  {w:14}7\n",
    "password that a server made": "[Note] A temporary password is generated for root@localhost: {w:13}7\nPASSWORD elastic = {w:20}\n",
    "cells of HTML": '<tr><td class="e">DB_PASSWORD </td><td class="v">{w:14} </td></tr><tr><td>API token</td>\n  <td><code>{w:24}</code></td></tr><td class="e">$_SERVER[\'API_TOKEN\']</td><td class="v">{w:24}</td>',
    "terms of HTML": "<dl><dt>Password</dt><dd>{w:14}</dd></dl>",
    "pairs of Erlang and Lisp": '[{password,"{w:14}"}, {password, <<"{w:14}">>}] (password . "{w:14}")',
    "key of a web token": "jwt.encode(payload, '{w:24}', algorithm='HS256'); jwt.verify(token, \"{w:24}\")",
    "login of SMTP": "AUTH PLAIN {b:28}\r\n334 UGFzc3dvcmQ6\r\n{b:20}\r\n",
    "login of Bundler": 'BUNDLE_GEMS__EXAMPLE__COM: "ada:{w:14}"\nexport BUNDLE_GEMS__EXAMPLE__COM=ada:{w:14}\n',
    "secret that is made of an input": "printf {w:14} | docker secret create db -\necho '{w:14}' | wrangler secret put X1",
    "secret of AWS, plain": '"SecretString": "{w:24}", "VersionId": "x"',
    "formatted in HTML": "<b>Password:</b> {w:14}<br><li><strong>API token</strong>: <code>{w:24}</code></li>",
    "value below an element": "<AdministratorPassword>\n  <Value>{w:14}</Value>\n</AdministratorPassword>",
    "row of Markdown with code": "| Password | `{w:13}7` |\n| API key | `{w:24}` |",
    "sentence with a colon": "Das Passwort lautet: {w:13}7 und\nLa contraseña es: {w:13}7 y",
    "token of a link": "https://x.example.org/reset?reset_token={w:24} https://x.example.org/a?invite_token={w:24}",
    "shares and tasks of Windows": "net use Z: \\\\host\\share {w:14} /user:ada\nnet use \\\\host\\share /user:ada {w:14}\nschtasks /create /ru ada /rp {w:14} /tn x",
    "keys of tunnels": 'ada : PSK "{w:14}"\n: XAUTH "{w:14}"\n<auth-user-pass>\nada\n{w:14}\n</auth-user-pass>\nset passwd ENC {b:44}\n',
    "commands of packages and stores": "cargo login {w:32}\npoetry config http-basic.x ada {w:14}\nmc alias set x https://h.example.org ada {w:32}\nnuget push x.nupkg -k {w:40} -s h\nssh-keygen -t rsa -N '{w:14}' -f k\netcdctl --user root:{w:14} get x",
    "columns apart by escaped tabs": r"'id\tuser\tpassword\n1\tada\t{w:14}\n2\tbob\t{w:14}\n'",
    "columns apart by escaped tabs, in quotes": r'log: "api_token\tuser\n{w:24}\tada\n" end',
    "columns apart by escaped tabs, nested": r'{"out": "{\"a\": \"user\\tpassword\\nada\\t{w:14}\\n\"}"} end',
    "session of AWS as text": "ASSUMEDROLEUSER\tAROAX:ada\nCREDENTIALS\tASIA{t:16}\t2026-11-29T12:00:00+00:00\t{b:40}\tIQoJb3JpZ2lu{w:120}\n",
    "keys of AWS as text": "ACCESSKEY\tAKIA{t:16}\t2026-11-29T12:00:00Z\t{b:40}\tActive\tada\nASIA{t:16}\t{b:40}\n  AKIA{t:16}:{b:40}\n",
    "keys of AWS apart by escaped tabs": r'log: "\tAKIA{t:16}\t{b:40}\n" end',
    "value below a comment": "```\nuser: ada\npassword: # the old one\n{q:12}7\n```\n\ndb_password: # note\n  '{q:12}7'\napi_key: # of the page\n\t{w:20}\n",
    "tag of YAML": "token: !!str {w:24}\nclient_secret: !secret {w:24}\npassword: !!str '{w:14}'\napi_key: !!binary {b:32}\n",
    "anchor of YAML": "db_password: &pw {w:14}\nauth_token: &a !!str {w:24}\n",
    "password that begins like a tag": "password: !{w:10}\ndb_password: !{w:9}7 x{w:10}\n",
    "brackets of a log": "login user[ada] password[{w:14}] host[db]; Token [{w:24}]",
    "brackets of a log, alone": "Password[{w:14}]",
    "mask of GitHub Actions": "::add-mask::{w:14}\necho \"::add-mask::{w:24}\"\n  echo '::add-mask::{w:14}'",
    "secret of Azure Pipelines": "##vso[task.setvariable variable=x;issecret=true]{w:14}\n##vso[task.setsecret]{w:14}\n##vso[task.setvariable variable=y;isSecret=true;isOutput=true]{w:14}",
    "names and values of PowerShell": "Name                           Value\n----                           -----\nDB_PASSWORD                    {w:14}\nAPI_TOKEN                      {w:24}\n",
    "names and values apart by tabs": "DB_PASSWORD\t\t\t\t{w:14}\napi_key\t\t{w:24}\n",
    "sign far from its name, a list": "UserName" + " " * 90 + ": ada\nPassword" + " " * 90 + ": {w:14}\n",
    "dots up to the value": "Password .................................. {w:14}\nAPI key ..... {w:24}\n",
    "table of psql, wide": "user"
    + " " * 120
    + "| password"
    + " " * 100
    + "| x\n---+---+---\nada | {w:14} | y\n",
    "columns of PowerShell, wide": "user"
    + " " * 120
    + "password"
    + " " * 100
    + "role\nada"
    + " " * 121
    + "{w:14}"
    + " " * 94
    + "admin\n",
    "file of logins": "machine x login ada password {x:11}7\nmachine y\n  login ada\n  password {n:13}7\n",
    "key of a live stream": "live_126031192_{w:30}",
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
    "login page password manager, user name password required, login form password field1",
    "the error code is 4829, exit code: 1, security code review 2026, status_code=4041",
    {"country_code": "DE", "status_code": 404, "confirmation": "sent", "verification": "done"},
    "docker login registry; please identify yourself; AUTH is required; sha256~short",
    "the username and password quoting. For the joint user info; username a password b",
    "image nginx:1.25-alpine3@sha256:abcdef0123, npm install a:b2c3d4e5@1.2.3 x, mailto:x1y2z3a4b5@localhost",
    "docker run -u root -p 8080:80 x; ssh -l ada -p 2222 host; useradd -u 1000 -p x; copy a /p b /u",
    "the password of the user: see below; password for the account: required; tokens of the text: 3",
    'headers.get("Authorization") or "authorization" in x; it can be "access_token" or "refresh_token"',
    """creds = f"{login}:{password}"; token = f"test_access_token_{secrets.token_hex(32)}"; scheme: bearer = "bearer" """,
    "private_key: ed25519.Ed25519PrivateKey, key: PKCS12PrivateKeyTypes | None; auth: httpx2.Auth",
    "kr.get_password('service1', 'user'); keyring.get_credential('service1', 'user2')",
    'if password == "-": pass; {"Proxy-Authorization": "Basic <username>:<password>"}.',
    "Key=word key=lambda x: x[0], Key: primary; the key is here, the key: see above2",
    '  ~ password = (sensitive value)\n  ~ token_count = "12" -> "13"\n  ~ password = var.a -> (known after apply)\n',
    'variable "db_password" {\n  type    = string\n  default = ""\n}\nresource "token" {\n  default = "value12345"\n}\n',
    "the token for user ada: see below; password for the account (optional): ask; key of the map: first; AWS Access Key ID [None]:",
    "<tr><td>password</td><td>string</td></tr><td>token</td><td>The token2 of a user</td><dt>secret</dt><dd>see section2</dd>",
    '{password, "required"}, {token, <<"binary">>} (token . "name") char *token name = value_of_name; password char = input_value_here',
    "jwt.encode(payload, 'secret', algorithm='HS256'); jwt.decode(token, 'utf8', key); AUTH PLAIN LOGIN; docker secret create x file",
    "<b>Password:</b> required<br><strong>Token</strong>: <code>string</code> <b>Secret:</b> see chapter2",
    "| `password` | `string` |\n| token | `type2` |\n| api_key | `api_key_2` |",
    "cargo login --registry x; net use /delete; net use Z: /delete; alias set x; ssh-keygen -t ed25519 -f key1; content enc of utf8; : psk of",
    "password[0], tokens[index1], token[len(x)], password[password1], secrets[name_of_item2], token [optional], api_key[]",
    "password                    string                the password of the user",
    "  token              optional token of type string2\n  password           see password_file\n",
    "secret ........ 12\nPassword ........ required\n",
    "token: !!str\napi_key: !ref\nname: &password word\ntoken: !Ref Token\n",
    r"C:\temp\token\names and C:\table\tokens.txt\nuser\ttokens\nada\t17",
    "echo ::add-mask::$TOKEN; echo ::add-mask::${{ secrets.X }}; ##vso[task.setvariable variable=x]value",
    {"auth0": "types-auth0-python"},
    "openssl rsa -in key.pem -passin env:PW1; openssl enc -kfile pass.txt; openssl passwd -6",
    "ConvertTo-SecureString $password -AsPlainText -Force; ConvertTo-SecureString (Get-Content x)",
    "https://example.org/country?code=DE&state=BY https://example.org/login?code=200&state=open",
    "https://x.example.org/a?key=users/2026/11&page=2 https://x.example.org/a?st=2026-01-01T00:00:00Z&se=2026-02-01T00:00:00Z",
    "https://example.org/style.css?hash=3d9f0b7c2a684e153d9f0b7c2a684e15 https://example.org/?s=search-term&e=1",
    "https://example.org/x?code=invalid_request&scope=read https://example.org/a?k=word",
    "snmpwalk -v2c -c public 10.0.0.1; the community edition; community (https://example.org/edition1)",
    "new PDO('sqlite::memory:'); new PDO($dsn, $user, $password); new PDO('mysql:', getenv('USER'), getenv('PW1'));",
    'sqlite3.connect("db1.sqlite", timeout=5, isolation_level="IMMEDIATE2"); signal.connect("clicked", "on_click2")',
    'this.connection("db", "utf8mb4"); amqp.connect("localhost", 5672, "my-vhost1"); map.auth("read", "write")',
    "HTTPBasicAuth('user', 'pass'); auth=(\"user\", \"password\"); auth=(user, password); app.login('page', 'home')",
    'ctx.bind("key1", "value2"); AzureKeyCredential("x"); NewCredential("name", "type")',
    "echo $TOKEN | docker login --password-stdin; cat file | docker login --password-stdin; echo yes | sudo -S apt update",
    "net user ada /add; vault login -method=github; sqlplus / as sysdba; sqlplus ada@db",
    'gh secret set TOKEN --body "$VALUE"; kubectl create secret generic x --from-literal=key=$VALUE',
    'send "hello world\\r"; echo hello | docker run -i image',
    "salt = os.urandom(16); salt-minion: salt; seed = 42; random_seed: 1234567890; pepper: black",
    {
        "SecretId": "arn:aws:secretsmanager:eu-west-1:123456789012:secret:prod/db-AbCdEf",
        "secret_id": "prod/db",
    },
    {"salt": 12, "seed": 42, "pepper": "black pepper", "community": "fosstodon", "community_id": 7},
    "args:\n  - run\n  - -p\n  - 8080:80\n  - -u\n  - root\n- -phase1\n",
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
    "'password' => 'required|string|min:12', 'token' => 'nullable'",
    'when password == "" -> "none given1"',
    "passwords:\n  # none\n\nother:\n  - b1rch-lane\n",
    "password: # required\nuser: b1rch-lane\ntoken: # unset\nuser=b1rch-lane\n",
    "password: # required\n\nsome9words\n",
    "AKIA is a prefix, ASIA:0123456789abcdef0123456789abcdef01234567",
    "passwords:\n  - no words\n\n  - 12 characters\n",
    '{"kind":"SecretList","data":{"a":"b1rch-lane"}} x',
    "kind: SecretStore # a\ndata:\n  settings: b1rch-lane\n",
    'SECRET_NAMES = frozenset({"db_password", "api_token"})',
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
    sample = fill(value.replace("{=}", "\0"), Random(seed))  # noqa: S311 - made up, and the same in each run
    secrets += sample.secrets
    return sample.text.replace("\0", sample.secrets[0]) if "\0" in sample.text else sample.text


@pytest.mark.parametrize("name", [*LEAKS, *STRUCTURES])
def test_secret_that_was_once_readable_is_redacted(name: str) -> None:
    """No six characters of the secret are left."""
    for seed in range(5):
        secrets: list[str] = []
        value = _filled({**LEAKS, **STRUCTURES}[name], seed, secrets)
        output = text_of(default_redactor().value(value))
        assert secrets
        assert not [
            secret for secret in secrets for at in range(len(secret) - 5) if secret[at : at + 6] in output
        ], output


@pytest.mark.parametrize("longer", ["x{}", "x{}_", "x{}y{}"])
def test_token_behind_a_longer_word_that_has_it_is_redacted(longer: str) -> None:
    """The word in which no token begins is not searched, and must not be taken for the place of the token."""
    token = "ghp_" + "a1B2c3D4e5F6" * 3
    output = text_of(default_redactor().value(f"{longer.replace('{}', token)} and {token} here"))
    assert output.endswith(" and [TOKEN] here"), output


@pytest.mark.parametrize("value", HARMLESS, ids=range(len(HARMLESS)))
def test_harmless_twin_of_a_leak_is_left_alone(value: Any) -> None:
    """A value that only resembles the inputs above is returned unchanged."""
    assert default_redactor().value(value) == value


@pytest.mark.parametrize("name", ["token", "password", "api_key"])
def test_long_value_like_a_refused_one_before_it_is_judged_by_itself(name: str) -> None:
    """Values that share their first 140 characters differ: the result of one is not used for the next."""
    harmless = "x" * 140
    secret = "Q7z9K2mP4" + "vT8wR1yB6nD3"
    text = f"{name}={harmless} {name}={harmless} {name}={harmless}{secret} end"
    assert secret not in default_redactor().text(text)


@pytest.mark.parametrize(
    "text",
    ["secret=none password={}", "token=abc, password='{}'", "api_key: None\npassword: {}"],
)
def test_refused_value_in_a_short_text_hides_no_secret_behind_it(text: str) -> None:
    """Where both stand near the beginning, the text around them is the same, and must not identify a value by itself."""
    secret = "Q7z9K2mP4" + "vT8w!"
    assert secret not in default_redactor().text(text.format(secret))
