"""Kinds of credentials, by the forms that their providers publish: one line each, nothing real.

`BLIND` was written down from the providers' documentation before its author had looked at the rules of
`ael_otel.privacy` or at their tests, and stays as it is; `OTHERS` came later. `python -m tests.privacy.measure` prints
the readable rest of each, and its place.
"""

import json
from random import Random

from tests.privacy.made_up import Kind, Maker, Sample, b64, crc32_base62, fill

# Text that scanners of this repository look for is put together from parts.
BEGIN, END = "-----BEGIN ", "-----END "
DASHES = "-----"


def _compact(value: object) -> bytes:
    return json.dumps(value, separators=(",", ":")).encode()


def _pem(label: str, characters: int, header: str = "") -> Maker:
    def make(chance: Random) -> Sample:
        body = fill(f"{{b:{characters}}}", chance).secrets[0]
        lines = [body[at : at + 64] for at in range(0, len(body), 64)]
        text = "\n".join(
            [f"{BEGIN}{label}{DASHES}", *([header] if header else []), *lines, f"{END}{label}{DASHES}"]
        )
        return Sample(text + "\n", tuple(lines))

    return make


def _github(prefix: str) -> Maker:
    def make(chance: Random) -> Sample:
        body = fill("{w:30}", chance).text
        body += crc32_base62(body)
        return Sample(prefix + body, (body,))

    return make


def _jwt(claims: dict[str, object], prefix: str = "", algorithm: str = "RS256") -> Maker:
    def make(chance: Random) -> Sample:
        head = b64(_compact({"alg": algorithm, "typ": "JWT"}), url=True, pad=False)
        filled = {**claims, "jti": fill("{x:16}", chance).text, "sub": fill("{~d:10}", chance).text}
        body = b64(_compact(filled), url=True, pad=False)
        signature = fill("{u:86}" if algorithm == "ES256" else "{u:342}", chance).text
        return Sample(f"{prefix}{head}.{body}.{signature}", (signature,))

    return make


def _encoded(prefix: str, template: str, suffix: str = "", *, url: bool = False, pad: bool = True) -> Maker:
    """Return a maker of a prefix and a template in Base64, secret behind its first 12 characters."""

    def make(chance: Random) -> Sample:
        made = b64(fill(template, chance).text.encode(), url=url, pad=pad)
        end = fill(suffix, chance)
        return Sample(prefix + made + end.text, (made[12:], *end.secrets))

    return make


def _discord(chance: Random) -> Sample:
    account = b64(fill("{~d:18}", chance).text.encode(), pad=False)
    rest = fill(".G{u:5}.{u:38}", chance)
    return Sample(account + rest.text, (rest.secrets[1],))


def _service_account(chance: Random) -> Sample:
    key = _pem("PRIVATE " + "KEY", 1624)(chance)
    text = json.dumps(
        {
            "type": "service_account",
            "project_id": "demo-1",
            "private_key_id": fill("{~x:40}", chance).text,
            "private_key": key.text,
            "client_email": "svc@demo-1.iam.gserviceaccount.com",
        }
    )
    return Sample(text, key.secrets)


def _jwk(chance: Random) -> Sample:
    secret = fill("{u:342}", chance).text
    public = fill("{u:342}", chance).text
    return Sample(
        json.dumps({"kty": "RSA", "kid": "2026-01", "n": public, "e": "AQAB", "d": secret}), (secret,)
    )


def _docker_config(chance: Random) -> Sample:
    secret = b64(fill("ada:{w:22}", chance).text.encode())
    text = json.dumps({"auths": {"registry.example.org": {"auth": secret}}})
    return Sample(text, (secret[4:].rstrip("="),))


def _ppk(chance: Random) -> Sample:
    secret = [fill("{b:64}", chance).text for _ in range(6)]
    public = [fill("{b:64}", chance).text for _ in range(3)]
    lines = [
        "PuTTY-User-Key-File-3: ssh-rsa",
        "Encryption: none",
        "Comment: laptop",
        "Public-Lines: 3",
        *public,
    ]
    lines += ["Private-Lines: 6", *secret, "Private-MAC: " + fill("{~x:64}", chance).text]
    return Sample("\n".join(lines) + "\n", tuple(secret))


def _mnemonic(chance: Random) -> Sample:
    words = "abandon ability cactus daring eager fabric galaxy habit icon jacket kangaroo ladder magic napkin ocean"
    text = " ".join(chance.sample(words.split(), 12))
    return Sample(text, (text,))


def _kubernetes_secret(chance: Random) -> Sample:
    secret = b64(fill("{w:24}", chance).text.encode())
    text = f"apiVersion: v1\nkind: Secret\nmetadata:\n  name: db\ndata:\n  password: {secret}\n"
    return Sample(text, (secret,))


BLIND = (
    # Forges and their runners
    Kind("GitHub token, classic", "github_token", _github("ghp_")),
    Kind("GitHub token, fine-grained", "gh_token", "github_pat_{w:22}_{w:59}"),
    Kind("GitHub OAuth token", "github_oauth_token", _github("gho_")),
    Kind("GitHub user-to-server token", "github_user_token", _github("ghu_")),
    Kind("GitHub installation token", "github_app_token", _github("ghs_")),
    Kind(
        "GitHub installation token, JWT form",
        "github_installation_token",
        _jwt({"iss": "482913"}, "ghs_482913_"),
    ),
    Kind("GitHub refresh token", "github_refresh_token", "ghr_{w:76}"),
    Kind("GitLab personal token", "gitlab_token", "glpat-{u:20}"),
    Kind("GitLab routable token", "gitlab_access_token", "glpat-{u:40}.{n:2}.{n:9}"),
    Kind("GitLab deploy token", "ci_deploy_password", "gldt-{u:20}"),
    Kind("GitLab runner token", "runner_token", "glrt-{u:20}"),
    Kind("GitLab job token", "ci_job_token", "glcbt-{~n:2}_{u:20}"),
    Kind("GitLab trigger token", "trigger_token", "glptt-{x:40}"),
    Kind("GitLab feed token", "feed_token", "glft-{u:20}"),
    Kind("GitLab agent token", "agent_token", "glagent-{u:50}"),
    Kind("GitLab OAuth application secret", "gitlab_app_secret", "gloas-{x:64}"),
    Kind("GitLab SCIM token", "scim_token", "glsoat-{u:20}"),
    Kind("Bitbucket app password", "bitbucket_password", "ATBB{w:32}"),
    Kind("Bitbucket repository token", "bitbucket_token", "ATCTT3xFfGN0{u:171}={X:8}"),
    Kind("Atlassian API token", "jira_api_token", "ATATT3xFfGF0{u:171}={X:8}"),
    Kind("Buildkite API token", "buildkite_token", "bkua_{x:40}"),
    Kind("CircleCI personal token", "circle_token", "CCIPAT_{w:22}_{x:40}"),
    Kind("Harness token", "harness_token", "pat.{~u:22}.{x:24}.{w:20}"),
    Kind("Octopus Deploy API key", "octopus_api_key", "API-{N:26}"),
    Kind("SonarQube user token", "sonar_token", "squ_{x:40}"),
    Kind("SonarQube project token", "sonar_project_token", "sqp_{x:40}"),
    Kind("Snyk token", "snyk_token", "{uuid}", named=True, label="Snyk token"),
    Kind("Sourcegraph token", "src_access_token", "sgp_{x:16}_{x:40}"),
    Kind("Azure DevOps token, 84 characters", "azure_devops_ext_pat", "{w:52}JQQJ99{w:18}AZDO{w:4}"),
    Kind("Azure DevOps token, 52 characters", "azdo_pat", "{n:52}", named=True, label="Azure DevOps PAT"),
    # Chat
    Kind("Slack bot token", "slack_bot_token", "xoxb-{~d:12}-{~d:13}-{w:24}"),
    Kind("Slack user token", "slack_user_token", "xoxp-{~d:12}-{~d:12}-{~d:13}-{x:32}"),
    Kind("Slack app token", "slack_app_token", "xapp-1-A{~N:10}-{~d:13}-{x:64}"),
    Kind("Slack configuration token", "slack_config_token", "xoxe.xoxp-1-Mi0yL{w:160}"),
    Kind("Slack refresh token", "slack_refresh_token", "xoxe-1-My0x{w:140}"),
    Kind("Slack webhook", "slack_webhook_url", "https://hooks.slack.com/services/T{~N:10}/B{~N:10}/{w:24}"),
    Kind(
        "Slack workflow trigger", "slack_trigger", "https://hooks.slack.com/triggers/T{~N:8}/{~d:13}/{x:32}"
    ),
    Kind("Discord bot token", "discord_token", _discord),
    Kind("Discord webhook", "discord_webhook", "https://discord.com/api/webhooks/{~d:19}/{u:68}"),
    Kind("Telegram bot token", "telegram_bot_token", "{~d:10}:AA{u:33}"),
    Kind(
        "Teams webhook",
        "teams_webhook",
        "https://acme.webhook.office.com/webhookb2/{~uuid}@{~uuid}/IncomingWebhook/{x:32}/{~uuid}",
    ),
    Kind(
        "Google Chat webhook",
        "gchat_webhook",
        "https://chat.googleapis.com/v1/spaces/{~N:11}/messages?key=AIza{u:35}&token={u:43}",
    ),
    Kind("Feishu bot webhook", "lark_webhook", "https://open.feishu.cn/open-apis/bot/v2/hook/{uuid}"),
    Kind("DingTalk webhook", "dingtalk_webhook", "https://oapi.dingtalk.com/robot/send?access_token={x:64}"),
    Kind("WeCom webhook", "wecom_webhook", "https://qyapi.weixin.qq.com/cgi-bin/webhook/send?key={uuid}"),
    Kind("Zapier webhook", "zapier_hook", "https://hooks.zapier.com/hooks/catch/{~d:7}/{n:7}/"),
    Kind("IFTTT webhook", "ifttt_url", "https://maker.ifttt.com/trigger/door/with/key/{u:43}"),
    Kind(
        "Power Automate webhook",
        "flow_url",
        "https://prod-12.westeurope.logic.azure.com:443/workflows/{~x:32}/triggers/manual/paths/invoke"
        "?api-version=2016-06-01&sp=%2Ftriggers%2Fmanual%2Frun&sv=1.0&sig={u:43}",
    ),
    # Models
    Kind("OpenAI project key", "openai_api_key", "sk-proj-{u:74}T3BlbkFJ{u:74}"),
    Kind("OpenAI key, legacy", "openai_key", "sk-{w:20}T3BlbkFJ{w:20}"),
    Kind("OpenAI service account key", "openai_service_key", "sk-svcacct-{u:74}T3BlbkFJ{u:74}"),
    Kind("OpenAI admin key", "openai_admin_key", "sk-admin-{u:58}T3BlbkFJ{u:58}"),
    Kind("Anthropic API key", "anthropic_api_key", "sk-ant-api03-{u:93}AA"),
    Kind("Anthropic admin key", "anthropic_admin_key", "sk-ant-admin01-{u:93}AA"),
    Kind("Anthropic OAuth token", "claude_code_oauth_token", "sk-ant-oat01-{u:93}AA"),
    Kind("Hugging Face token", "hf_token", "hf_{l:34}"),
    Kind("Hugging Face organisation token", "hf_org_token", "api_org_{l:34}"),
    Kind("Groq key", "groq_api_key", "gsk_{w:52}"),
    Kind("xAI key", "xai_api_key", "xai-{w:80}"),
    Kind("Perplexity key", "perplexity_api_key", "pplx-{w:48}"),
    Kind("OpenRouter key", "openrouter_api_key", "sk-or-v1-{x:64}"),
    Kind("DeepSeek key", "deepseek_api_key", "sk-{x:32}"),
    Kind("Cerebras key", "cerebras_api_key", "csk-{n:48}"),
    Kind("NVIDIA key", "nvidia_api_key", "nvapi-{u:64}"),
    Kind("ElevenLabs key", "elevenlabs_api_key", "sk_{x:48}"),
    Kind("Replicate token", "replicate_api_token", "r8_{w:37}"),
    Kind("Fireworks key", "fireworks_api_key", "fw_{w:24}"),
    Kind("Together key", "together_api_key", "tgp_v1_{u:43}"),
    Kind("LangSmith key", "langsmith_api_key", "lsv2_pt_{x:32}_{x:10}"),
    Kind("Langfuse secret key", "langfuse_secret_key", "sk-lf-{uuid}"),
    Kind("Pinecone key", "pinecone_api_key", "pcsk_{~w:6}_{w:62}"),
    Kind("Tavily key", "tavily_api_key", "tvly-dev-{w:32}"),
    Kind("Firecrawl key", "firecrawl_api_key", "fc-{x:32}"),
    Kind("E2B key", "e2b_api_key", "e2b_{x:40}"),
    Kind("Apify token", "apify_token", "apify_api_{w:36}"),
    Kind("Voyage key", "voyage_api_key", "pa-{u:43}"),
    Kind("Jina key", "jina_api_key", "jina_{x:32}{u:28}"),
    Kind("LlamaCloud key", "llama_cloud_api_key", "llx-{w:48}"),
    Kind("Modal token secret", "modal_token_secret", "as-{w:22}"),
    Kind("Cursor key", "cursor_api_key", "key_{x:64}"),
    Kind("Mistral key", "mistral_api_key", "{w:32}", named=True, label="Mistral API key"),
    Kind("Cohere key", "cohere_api_key", "{w:40}", named=True, label="Cohere API key"),
    Kind("Weights & Biases key", "wandb_api_key", "{x:40}", named=True, label="W&B API key"),
    # Clouds
    Kind("AWS access key id", "aws_access_key_id", "AKIA{t:16}"),
    Kind("AWS temporary key id", "aws_sts_key_id", "ASIA{t:16}"),
    Kind(
        "AWS secret access key", "aws_secret_access_key", "{b:40}", named=True, label="AWS secret access key"
    ),
    Kind("AWS session token", "aws_session_token", "IQoJb3JpZ2luX2Vj{b:340}"),
    Kind("Amazon Bedrock key, long-term", "aws_bearer_token_bedrock", "ABSK{b:128}="),
    Kind(
        "Amazon Bedrock key, short-term",
        "bedrock_api_key",
        "bedrock-api-key-YmVkcm9jay5hbWF6b25hd3MuY29t{b:320}",
    ),
    Kind("Azure client secret", "azure_client_secret", "{w:3}8Q~{u:34}"),
    Kind(
        "Azure storage connection string",
        "azure_storage_connection_string",
        "DefaultEndpointsProtocol=https;AccountName=acme;AccountKey={b:76}+ASt{b:6}==;EndpointSuffix=core.windows.net",
    ),
    Kind(
        "Azure Service Bus connection string",
        "servicebus_connection",
        "Endpoint=sb://acme.servicebus.windows.net/;SharedAccessKeyName=Root;SharedAccessKey={b:33}+ASb{b:6}=",
    ),
    Kind("Azure function key", "azure_function_key", "{u:44}AzFu{u:6}=="),
    Kind("Azure AI service key", "azure_openai_api_key", "{w:52}JQQJ99{w:18}ACOG{w:4}"),
    Kind("Google API key", "google_api_key", "AIza{u:35}"),
    Kind("Google OAuth client secret", "google_client_secret", "GOCSPX-{u:28}"),
    Kind("Google access token", "google_access_token", "ya29.a0{u:180}"),
    Kind("Google refresh token", "google_refresh_token", "1//0{~d:1}{u:95}"),
    Kind("Google service account file", "google_credentials", _service_account),
    Kind("DigitalOcean token", "digitalocean_token", "dop_v1_{x:64}"),
    Kind("Cloudflare user token", "cloudflare_api_token", "cfut_{w:40}{x:8}"),
    Kind("Cloudflare origin CA key", "cf_origin_ca_key", "v1.0-{~x:24}-{x:146}"),
    Kind("Cloudflare token, before 2026", "cf_api_token", "{u:40}", named=True, label="Cloudflare API token"),
    Kind("Heroku key", "heroku_api_key", "HRKU-AA{u:58}"),
    Kind("Netlify token", "netlify_auth_token", "nfp_{w:36}"),
    Kind("Vercel token", "vercel_token", "vcp_{w:56}"),
    Kind("Vercel AI gateway key", "ai_gateway_api_key", "vck_{w:56}"),
    Kind("Fly.io token", "fly_api_token", "fm2_lJPECAAAAAAAA{b:160}"),
    Kind("Render key", "render_api_key", "rnd_{w:32}"),
    Kind("Alibaba Cloud key id", "alibaba_access_key_id", "LTAI5t{w:18}"),
    Kind("Tencent Cloud key id", "tencentcloud_secret_id", "AKID{w:32}"),
    Kind("Yandex Cloud key", "yandex_api_key", "AQVN{u:35}"),
    Kind("Linode token", "linode_token", "{x:64}", named=True, label="Linode token"),
    Kind("Hetzner token", "hcloud_token", "{w:64}", named=True, label="Hetzner Cloud token"),
    # Databases and their services
    Kind("PlanetScale token", "planetscale_service_token", "pscale_tkn_{u:43}"),
    Kind("PlanetScale password", "planetscale_password", "pscale_pw_{u:43}"),
    Kind("Neon key", "neon_api_key", "napi_{n:64}"),
    Kind("Supabase personal token", "supabase_access_token", "sbp_{x:40}"),
    Kind("Supabase secret key", "supabase_secret_key", "sb_secret_{u:22}_{u:8}"),
    Kind("Databricks token", "databricks_token", "dapi{x:32}"),
    Kind(
        "PostgreSQL address", "database_url", "postgresql://{user}:{w:18}@db.{host}:5432/app?sslmode=require"
    ),
    Kind("MySQL address", "mysql_url", "mysql+pymysql://{user}:{w:16}@{host}/shop"),
    Kind("MongoDB address", "mongodb_uri", "mongodb+srv://{user}:{w:20}@cluster0.ab1cd.mongodb.net/app"),
    Kind("Redis address", "redis_url", "rediss://:{w:24}@cache.{host}:6380/0"),
    Kind("AMQP address", "amqp_url", "amqps://{user}:{w:20}@{host}/vhost"),
    Kind(
        "SQL Server connection string",
        "mssql",
        "Server=tcp:{host},1433;Database=app;User ID=ada;Password={w:16};",
    ),
    Kind(
        "JDBC address", "jdbc_url", "jdbc:sqlserver://{host}:1433;databaseName=app;user=ada;password={w:16}"
    ),
    Kind("libpq connection string", "pg_dsn", "host={host} port=5432 dbname=app user=ada password={w:16}"),
    Kind(
        "Redis connection string",
        "redis_connection",
        "{host}:6380,password={w:43}=,ssl=True,abortConnect=False",
    ),
    Kind(
        "ODBC connection string",
        "odbc",
        "Driver={ODBC Driver 18};Server={host};Uid=ada;Pwd={w:16};Encrypt=yes;",
    ),
    Kind("SMTP address", "email_url", "smtp://mailer:{w:20}@smtp.{host}:587"),
    Kind("git remote with a token", "remote", "https://x-access-token:{w:40}@git.{host}/acme/app.git"),
    # Registries of packages and images
    Kind("npm token", "npm_token", _github("npm_")),
    Kind("PyPI token", "twine_password", "pypi-AgEIcHlwaS5vcmc{u:150}"),
    Kind("RubyGems key", "gem_host_api_key", "rubygems_{x:48}"),
    Kind("crates.io token", "cargo_registry_token", "cio{w:32}"),
    Kind("NuGet key", "nuget_api_key", "oy2{n:43}"),
    Kind("Docker personal token", "docker_password", "dckr_pat_{u:27}"),
    Kind("Docker organisation token", "docker_org_token", "dckr_oat_{u:32}"),
    Kind("JFrog API key", "artifactory_api_key", "AKCp{~d:1}{w:68}"),
    Kind("Clojars token", "clojars_token", "CLOJARS_{x:60}"),
    Kind(".npmrc line", "npmrc", "//npm.example.org/:_authToken={uuid}"),
    Kind("Docker configuration file", "docker_auth_config", _docker_config),
    # Secrets managers and identity
    Kind("HashiCorp Vault token", "vault_token", "hvs.CAES{u:88}"),
    Kind("HashiCorp Vault batch token", "vault_batch_token", "hvb.AAAA{u:140}"),
    Kind("Terraform Cloud token", "tf_token_app_terraform_io", "{w:14}.atlasv1.{u:67}"),
    Kind("Pulumi token", "pulumi_access_token", "pul-{x:40}"),
    Kind("Doppler token", "doppler_token", "dp.pt.{w:43}"),
    Kind(
        "1Password service account",
        "op_service_account_token",
        _encoded("ops_", '{"signInAddress":"x.1password.com","k":"{w:200}"}'),
    ),
    Kind("age secret key", "sops_age_key", "AGE-SECRET-KEY-1{C:58}"),
    Kind("JSON web token", "id_token", _jwt({"iss": "https://login.example.org", "exp": 1767225600})),
    Kind("JSON web token, ES256", "session_jwt", _jwt({"aud": "api"}, algorithm="ES256")),
    Kind("JSON web key, private", "signing_jwk", _jwk),
    Kind(
        "Supabase service role",
        "supabase_service_role_key",
        _jwt({"role": "service_role"}, algorithm="HS256"),
    ),
    Kind("OAuth client secret", "client_secret", "{w:40}", named=True),
    Kind("OAuth refresh token", "refresh_token", "{u:64}", named=True),
    Kind("otpauth address", "otp_uri", "otpauth://totp/Acme:ada?secret={t:32}&issuer=Acme&digits=6"),
    # Observability
    Kind("Grafana service account token", "grafana_token", "glsa_{w:32}_{x:8}"),
    Kind(
        "Grafana Cloud token",
        "grafana_cloud_token",
        _encoded("glc_", '{"o":"482913","n":"push","k":"{w:24}","m":1}'),
    ),
    Kind("New Relic user key", "new_relic_api_key", "NRAK-{N:27}"),
    Kind("New Relic license key", "new_relic_license_key", "{x:32}FFFFNRAL"),
    Kind("Datadog API key", "dd_api_key", "{x:32}", named=True, label="Datadog API key"),
    Kind(
        "Sentry organisation token",
        "sentry_auth_token",
        _encoded("sntrys_", '{"iat":1767225600.1,"url":"https://s.io","org":"{w:12}"}', "_{b:43}"),
    ),
    Kind("Sentry user token", "sentry_user_token", "sntryu_{x:64}"),
    Kind("Honeycomb ingest key", "honeycomb_api_key", "hcaik_01{n:56}"),
    Kind("Dynatrace token", "dt_api_token", "dt0c01.{~N:24}.{N:64}"),
    Kind("PostHog personal key", "posthog_personal_api_key", "phx_{w:43}"),
    Kind("Splunk HEC token", "splunk_hec_token", "{uuid}", named=True, label="Splunk HEC token"),
    # Work and payment services
    Kind("Stripe secret key", "stripe_secret_key", "sk_live_51{w:97}"),
    Kind("Stripe restricted key", "stripe_restricted_key", "rk_live_51{w:97}"),
    Kind("Stripe webhook secret", "stripe_webhook_secret", "whsec_{w:32}"),
    Kind("Shopify access token", "shopify_access_token", "shpat_{x:32}"),
    Kind("Square access token", "square_access_token", "EAAA{u:60}"),
    Kind("PayPal Braintree token", "braintree_token", "access_token$production${~n:16}${x:32}"),
    Kind("Plaid access token", "plaid_access_token", "access-production-{uuid}"),
    Kind("Flutterwave secret", "flutterwave_secret", "FLWSECK-{x:32}-X"),
    Kind("SendGrid key", "sendgrid_api_key", "SG.{u:22}.{u:43}"),
    Kind("Mailgun key", "mailgun_api_key", "key-{x:32}"),
    Kind("Mailchimp key", "mailchimp_api_key", "{x:32}-us{~d:2}"),
    Kind("Brevo key", "brevo_api_key", "xkeysib-{x:64}-{w:16}"),
    Kind("Resend key", "resend_api_key", "re_{w:8}_{w:24}"),
    Kind("Postmark server token", "postmark_server_token", "{uuid}", named=True, label="Postmark token"),
    Kind("Twilio auth token", "twilio_auth_token", "{x:32}", named=True, label="Twilio auth token"),
    Kind("Notion token", "notion_token", "ntn_{~d:11}{w:35}"),
    Kind("Linear key", "linear_api_key", "lin_api_{w:40}"),
    Kind("Figma token", "figma_token", "figd_{u:40}"),
    Kind("Airtable token", "airtable_pat", "pat{w:14}.{x:64}"),
    Kind("Asana token", "asana_pat", "2/{~d:16}/{~d:16}:{x:32}"),
    Kind("ClickUp token", "clickup_token", "pk_{~d:8}_{N:32}"),
    Kind("Trello token", "trello_token", "ATTA{x:64}{X:8}"),
    Kind("HubSpot private app token", "hubspot_token", "pat-na1-{uuid}"),
    Kind("Postman key", "postman_api_key", "PMAK-{x:24}-{x:34}"),
    Kind("Typeform token", "typeform_token", "tfp_{u:44}_{w:14}"),
    Kind(
        "Mapbox secret token",
        "mapbox_token",
        _encoded("sk.", '{"u":"acme","a":"{w:25}"}', ".{u:22}", pad=False),
    ),
    Kind("Facebook access token", "facebook_token", "EAA{w:180}"),
    Kind("X bearer token", "twitter_bearer", "AAAAAAAAAAAAAAAAAAAAA{w:22}%3D{w:50}"),
    Kind(
        "LaunchDarkly SDK key", "launchdarkly_sdk_key", "sdk-{uuid}", named=True, label="LaunchDarkly SDK key"
    ),
    # Keys
    Kind("RSA private key", "tls_key", _pem("RSA PRIVATE " + "KEY", 1588)),
    Kind("PKCS #8 private key", "server_key_pem", _pem("PRIVATE " + "KEY", 1624)),
    Kind("EC private key", "ec_key", _pem("EC PRIVATE " + "KEY", 164)),
    Kind("OpenSSH private key", "ssh_private_key", _pem("OPENSSH PRIVATE " + "KEY", 388)),
    Kind("PGP private key block", "gpg_key", _pem("PGP PRIVATE " + "KEY BLOCK", 900, "\n")),
    Kind("PuTTY private key", "ppk", _ppk),
    Kind("WireGuard private key", "private_key", "{b:43}=", named=True, label="PrivateKey"),
    Kind("Ethereum private key", "eth_private_key", "0x{x:64}", named=True, label="private key"),
    Kind("BIP-39 phrase", "seed_phrase", _mnemonic, named=True),
    # Signed addresses
    Kind(
        "S3 presigned address, version 4",
        "download_url",
        "https://b.s3.amazonaws.com/r.pdf?X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential=AKIA{~t:16}%2F20260101"
        "%2Feu-west-1%2Fs3%2Faws4_request&X-Amz-Expires=900&X-Amz-SignedHeaders=host&X-Amz-Signature={x:64}",
    ),
    Kind(
        "S3 presigned address, version 2",
        "file_url",
        "https://b.s3.amazonaws.com/r.pdf?AWSAccessKeyId=AKIA{~t:16}&Expires=1785628800&Signature={w:27}%3D",
    ),
    Kind(
        "Cloud Storage signed address",
        "gcs_url",
        "https://storage.googleapis.com/b/o.csv?X-Goog-Algorithm=GOOG4-RSA-SHA256&X-Goog-Date=20260101T000000Z"
        "&X-Goog-Expires=900&X-Goog-SignedHeaders=host&X-Goog-Signature={x:512}",
    ),
    Kind(
        "Azure SAS address",
        "sas_url",
        "https://acme.blob.core.windows.net/c/f.txt?sv=2024-11-04&se=2026-08-02T00%3A00%3A00Z&sr=b&sp=r&sig={w:43}%3D",
    ),
    Kind(
        "CloudFront signed address",
        "video_url",
        "https://d{~n:13}.cloudfront.net/i.mp4?Expires=1785628800&Signature={u:170}__&Key-Pair-Id=K{~N:13}",
    ),
    Kind(
        "OSS signed address",
        "oss_url",
        "https://b.oss-cn-hangzhou.aliyuncs.com/o.zip?OSSAccessKeyId=LTAI{~w:20}&Expires=1785628800&Signature={w:27}%3D",
    ),
    # Headers and cookies
    Kind("Basic credentials", "authorization", _encoded("Basic ", "{user}:{w:20}")),
    Kind("Bearer token, opaque", "auth_header", "Authorization: Bearer {u:43}"),
    Kind(
        "Digest credentials",
        "digest_header",
        'Authorization: Digest username="ada", realm="r", nonce="{~x:32}", uri="/", response="{x:32}"',
    ),
    Kind(
        "SigV4 header",
        "sigv4_header",
        "Authorization: AWS4-HMAC-SHA256 Credential=AKIA{~t:16}/20260101/eu-west-1/s3/aws4_request, "
        "SignedHeaders=host;x-amz-date, Signature={x:64}",
    ),
    Kind("API key header", "request_header", "X-Api-Key: {w:40}"),
    Kind("Session cookie", "cookie_header", "Cookie: theme=dark; sessionid={n:32}; csrftoken={w:64}"),
    Kind(
        "Set-Cookie header", "response_header", "Set-Cookie: connect.sid=s%3A{u:32}.{w:43}; Path=/; HttpOnly"
    ),
    # Files and commands
    Kind(".netrc line", "netrc", "machine api.example.org login ada password {w:18}"),
    Kind(".pgpass line", "pgpass", "db.example.org:5432:app:ada:{w:18}"),
    Kind("htpasswd line", "htpasswd", "ada:$2y$10${h:53}"),
    Kind("shadow line", "shadow_line", "ada:$6${~h:16}${h:86}:19700:0:99999:7:::"),
    Kind("Kubernetes secret", "manifest", _kubernetes_secret),
    Kind(
        "AWS credentials file",
        "aws_profile",
        "[default]\naws_access_key_id = AKIA{t:16}\naws_secret_access_key = {b:40}\n",
    ),
    Kind("curl -u", "curl_command", "curl -u ada:{w:16} https://api.example.org/v1/me"),
    Kind("mysql -p", "mysql_command", "mysql -h db.example.org -u root -p{w:14} app"),
    Kind("sshpass -p", "sshpass_command", "sshpass -p {w:14} ssh ada@example.org"),
    Kind("SQL role", "migration", "CREATE ROLE app LOGIN PASSWORD '{w:18}';"),
    # Passwords
    Kind("Password", "password", "{w:12}", named=True),
    Kind("Password with punctuation", "db_password", "{p:16}", named=True),
    Kind("Password under pass", "smtp_pass", "{w:12}", named=True, label="SMTP pass"),
    Kind("Passwort", "passwort", "{w:12}", named=True, label="Passwort"),
    Kind("Contraseña", "contraseña", "{w:12}", named=True, label="contraseña"),
    Kind("Mot de passe", "mot_de_passe", "{w:12}", named=True, label="mot de passe"),
    Kind("Django secret key", "secret_key", "django-insecure-{p:50}", named=True),
    Kind("Rails key base", "secret_key_base", "{x:128}", named=True),
    Kind("JWT signing secret", "jwt_secret", "{b:43}=", named=True),
    Kind("Encryption key", "encryption_key", "{x:64}", named=True),
)

OTHERS = (
    # Tokens
    Kind("GitLab runner registration token", "registration_token", "GR1348941{u:20}"),
    Kind("GitLab incoming mail token", "incoming_mail_token", "glimt-{u:25}"),
    Kind("GitLab feature flag token", "unleash_token", "glffct-{u:20}"),
    Kind("SonarQube analysis token", "sonar_login", "sqa_{x:40}"),
    Kind("CircleCI project token", "circle_project_token", "CCIPRJ_{w:22}_{x:40}"),
    Kind("Prefect key", "prefect_api_key", "pnu_{n:36}"),
    Kind("Scalingo token", "scalingo_api_token", "tk-us-{u:48}"),
    Kind("LangSmith service key", "langchain_api_key", "lsv2_sk_{x:32}_{x:10}"),
    Kind("RunPod key", "runpod_api_key", "rpa_{N:46}"),
    Kind("Sourcegraph token, legacy", "sourcegraph_token", "sgp_{x:40}"),
    Kind("PlanetScale OAuth token", "pscale_oauth", "pscale_oauth_{u:43}"),
    Kind("DigitalOcean refresh token", "do_refresh", "dor_v1_{x:64}"),
    Kind("Cloudflare account token", "cf_account_token", "cfat_{w:40}{x:8}"),
    Kind("Cloudflare global key", "cf_global_key", "cfk_{w:40}{x:8}"),
    Kind("Fly.io token, header form", "fly_header", "Authorization: FlyV1 fm2_lJPECAAAAAAAA{b:160}"),
    Kind("Databricks token, second generation", "databricks_pat", "dapi{x:32}-2"),
    Kind("Databricks OAuth secret", "databricks_client_secret", "dose{x:32}"),
    Kind("New Relic insert key", "new_relic_insert_key", "NRII-{u:32}"),
    Kind("Honeycomb management key", "honeycomb_management_key", "hcamk_01{n:56}"),
    Kind("Dynatrace platform token", "dt_platform_token", "dt0s16.{~N:8}.{N:64}"),
    Kind("Segment token", "segment_token", "sgp_{w:64}"),
    Kind("Azure storage key", "azure_storage_key", "{b:76}+ASt{b:6}=="),
    Kind("Azure Cosmos key", "cosmos_key", "{b:76}ACDb{b:6}=="),
    Kind("Google auth key", "gemini_api_key", "AQ.Ab8{u:47}"),
    Kind("DigitalOcean OAuth token", "do_oauth", "doo_v1_{x:64}"),
    Kind("Twilio API secret", "twilio_api_secret", "{w:32}", named=True, label="Twilio API secret"),
    Kind("Brevo SMTP key", "brevo_smtp", "xsmtpsib-{x:64}-{w:16}"),
    Kind("Mailgun key, current", "mailgun_key", "{x:32}-{x:8}-{x:8}"),
    Kind("Square application secret", "square_secret", "sq0csp-{u:43}"),
    Kind("Shopify shared secret", "shopify_api_secret", "shpss_{x:32}"),
    Kind("Paystack key", "paystack_key", "sk_live_{x:40}"),
    Kind("EasyPost key", "easypost_api_key", "EZAK{w:54}"),
    Kind("Shippo token", "shippo_token", "shippo_live_{x:40}"),
    Kind("Duffel token", "duffel_token", "duffel_live_{u:43}"),
    Kind("Polar token", "polar_access_token", "polar_oat_{w:43}"),
    Kind("Notion token, legacy", "notion_secret", "secret_{w:43}"),
    Kind("HubSpot token, Europe", "hubspot_private_app_token", "pat-eu1-{uuid}"),
    Kind("LinkedIn client secret", "linkedin_client_secret", "WPL_AP1.{w:16}.{w:6}=="),
    Kind("MaxMind license key", "maxmind_license_key", "{w:6}_{w:29}_mmk"),
    Kind("ReadMe key", "readme_api_key", "rdme_{n:70}"),
    Kind("1Password secret key", "op_secret_key", "A3-{N:6}-{N:11}-{N:5}-{N:5}-{N:5}"),
    Kind("Infisical service token", "infisical_token", "st.{~x:24}.{x:32}.{x:32}"),
    Kind("Doppler service token", "doppler_service_token", "dp.st.prd.{w:43}"),
    Kind(
        "JSON web encryption",
        "jwe",
        _encoded(
            "eyJ",
            '"alg":"RSA-OAEP","enc":"A256GCM","k":"{x:8}"',
            ".{u:342}.{u:16}.{u:90}.{u:22}",
            url=True,
            pad=False,
        ),
    ),
    Kind("Encrypted private key", "key_pem", _pem("ENCRYPTED PRIVATE " + "KEY", 1700)),
    Kind("Kubernetes service account token", "kube_token", _jwt({"iss": "kubernetes/serviceaccount"})),
    Kind("Bitcoin extended private key", "xprv", "xprv9{s:106}"),
    Kind("Nostr private key", "nsec", "nsec1{c:58}"),
    # Names
    Kind("Password under PASS", "irc_pass", "{w:14}", named=True, label="IRC pass"),
    Kind("Password under passwd", "dbpasswd", "{p:14}", named=True, label="passwd"),
    Kind("Password under PW", "db_pw", "{w:14}", named=True, label="DB pw"),
    Kind("Password with a suffix", "password_prod", "{w:14}", named=True, label="password (prod)"),
    Kind("API key with a suffix", "apikey_prod", "{w:32}", named=True, label="api key"),
    Kind("Glued words", "openaiapikey", "{w:40}", named=True, label="openaiapikey"),
    Kind("Personal token under PAT", "github_pat", "{w:40}", named=True, label="GitHub PAT"),
    Kind("Key of a vendor", "stripe_key", "{w:40}", named=True, label="Stripe key"),
    Kind("Kennwort", "kennwort", "{w:12}", named=True, label="Kennwort"),
    Kind("Senha", "senha", "{w:12}", named=True, label="senha"),
    Kind("Clave", "clave_secreta", "{w:12}", named=True, label="clave secreta"),
    Kind("пароль", "пароль", "{w:12}", named=True, label="пароль"),
    Kind("密码", "密码", "{w:12}", named=True, label="密码"),
    # Values
    Kind("Value with an ampersand", "app_secret", "{w:6}&{w:12}", named=True),
    Kind("Value with a comma", "admin_password", "{w:6},{w:12}", named=True),
    Kind("Value with parentheses", "root_password", "{w:5}({w:4}){w:8}", named=True),
    Kind("Value with braces", "mysql_password", "{w:5}{{w:4}}{w:8}", named=True),
    Kind("Value of letters alone", "oauth_client_secret", "{a:24}", named=True),
    # Names and values apart
    Kind("Kubernetes environment", "pod_spec", "env:\n- name: DB_PASSWORD\n  value: {w:16}\n"),
    Kind("PHP constant", "wp_config", "define( 'DB_PASSWORD', '{w:16}' );"),
    Kind("XML element", "recentservers", '<User>ada</User><Pass encoding="base64">{w:22}==</Pass>'),
    Kind("htpasswd line, apr1", "htaccess", "ada:$apr1${~h:8}${h:22}"),
    Kind("CSV column", "users_csv", "user,password\nada,{w:14}\ngrace,{w:14}\n"),
    Kind("SQL column", "seed_sql", "INSERT INTO users (name, password) VALUES ('ada', '{w:16}');"),
    Kind("curl --user", "curl_line", "curl --user 'ada:{w:14}' https://example.org/x"),
    Kind("curl -b", "curl_cookie", "curl -b 'session={w:32}' https://example.org/x"),
    Kind("docker login", "docker_login", "docker login -u ada -p {w:16} registry.example.org"),
    Kind("redis-cli -a", "redis_command", "redis-cli -h cache.example.org -a {w:16} ping"),
    Kind("PGPASSWORD", "psql_command", "PGPASSWORD={w:16} psql -h db.example.org -U ada app"),
    Kind("kubeconfig key", "kubeconfig", "users:\n- name: ada\n  user:\n    client-key-data: {b:800}\n"),
    Kind("YAML block scalar", "values_yaml", "db:\n  password: |\n    {w:24}\n  port: 5432\n"),
    Kind("Heredoc", "script", "export API_TOKEN=$(cat <<EOF\n{w:32}\nEOF\n)\n"),
    Kind("Python, triple quotes", "settings_py", 'API_KEY = """{w:40}"""\n'),
    Kind("C#, verbatim string", "settings_cs", 'var password = @"{w:16}";'),
    Kind("make, conditional assignment", "makefile", "SNYK_TOKEN ?= {uuid}\n"),
    Kind("Comparison", "check", "if ({word} && password == '{w:16}') return true;"),
    Kind("Default of a lookup", "lookup", 'os.getenv("API_TOKEN", "{w:32}")'),
    Kind("Base64 of a password", "db_password_b64", _encoded("", "{w:30}"), named=True),
    # Kinds from collections of public examples
    Kind("Adafruit IO key", "io_key", "aio_{w:28}"),
    Kind("Alchemy access token", "alchemy_auth_token", "alcht_{w:30}"),
    Kind("Akamai client token", "akamai_client_token", "akab-{n:16}-{n:16}"),
    Kind("Dependency-Track key", "dtrack_api_key", "odt_{w:32}"),
    Kind("Bitbucket Data Center token", "bitbucket_http_token", "BBDC-{b:44}"),
    Kind("Defined Networking key", "dn_api_key", "dnkey-{N:26}-{N:52}"),
    Kind("NATS user seed", "nkey_seed", "SU{t:56}"),
    Kind("NetBird token", "netbird_api_token", "nbp_{w:36}"),
    Kind("pganalyze key", "pganalyze_api_key", "pgar_{w:28}"),
    Kind("Postman access key", "postman_access_key", "PMAT-{N:26}"),
    Kind("PostHog personal token", "posthog_token", "pha_{w:43}"),
    Kind("Rootly token", "rootly_api_token", "rootly_{x:64}"),
    Kind("Socket Security token", "socket_api_token", "sktsec_{w:47}"),
    Kind("Spectral key", "spectral_api_key", "spu-{x:32}"),
    Kind("Teamwork token", "teamwork_token", "tkn.v1_{b:72}"),
    Kind("Telnyx key", "telnyx_api_key", "KEY0{X:31}_{w:22}"),
    Kind("WunderGraph key", "cosmo_api_key", "cosmo_{x:32}"),
    Kind("42 client secret", "intra_client_secret", "s-s4t2ud-{x:64}"),
    Kind("Jenkins secret, encrypted", "jenkins_secret", "{AQAAAB{b:44}==}"),
    Kind("NTLM message", "ntlm_token", "TlRMTVNTUAAD{b:120}"),
)

KINDS = BLIND + OTHERS
